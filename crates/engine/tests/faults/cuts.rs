//! A program at work is cut off before, in the middle of and after each frame that crosses, in either direction, and
//! goes on with the next wire: nothing hangs, every message has its fate, and the fate is true.
//!
//! `make cuts` prints what it counts.

use std::time::Duration;

use deuteron_engine::Recovery;
use deuteron_testkit::Side;

use crate::world::{Cut, World};

/// What was counted over all cuts.
#[derive(Debug, Default)]
struct Tally {
    points: usize,
    fates_true: usize,
    lost: usize,
    doubled: usize,
    hung: usize,
    /// Messages that were told as unknown, which is a true fate.
    unknown: usize,
    /// Messages that the broker has twice, where that may be.
    twice: usize,
}

/// Before the first frame, and in the middle of and after each: for each side, with what is under way the other way
/// arriving or lost, and at two speeds of the wire.
fn cuts(recovery: Recovery) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for latency in [Duration::ZERO, Duration::from_millis(5)] {
        let mut world = World::new(recovery, latency);
        world.run();
        assert_eq!(world.wires, 1, "without a cut there is one wire");
        for (from, resets) in
            [Side::Client, Side::Server].into_iter().flat_map(|side| [(side, false), (side, true)])
        {
            let mut start = 0;
            cuts.push(Cut { from, after: 0, resets, latency });
            for &end in world.frame_ends(from) {
                for after in [start + (end - start) / 2, end] {
                    cuts.push(Cut { from, after, resets, latency });
                }
                start = end;
            }
        }
    }
    cuts
}

fn tally(recovery: Recovery) -> Tally {
    let mut tally = Tally::default();
    for cut in cuts(recovery) {
        let mut world = World::new(recovery, cut.latency);
        world.cut(cut);
        world.run();
        let verdict = world.verdict();
        tally.points += 1;
        tally.hung += usize::from(verdict.hung);
        tally.lost += verdict.lost;
        tally.doubled += verdict.doubled;
        tally.unknown += verdict.unknown;
        tally.twice += verdict.twice;
        if verdict.untrue.is_empty() && !verdict.hung {
            tally.fates_true += 1;
        } else {
            println!("{recovery:?} {cut:?}: {verdict:?}");
        }
    }
    tally
}

/// Tallies, and prints what `make cuts` looks for.
fn proven(recovery: Recovery) -> Tally {
    let tally = tally(recovery);
    let Tally { points, fates_true, lost, doubled, hung, unknown, twice } = tally;
    println!("{recovery:?}, in virtual time: {unknown} messages told as unknown, {twice} seen twice");
    println!("cuts: points={points} fates_true={fates_true} lost={lost} doubled={doubled} hung={hung}");
    assert!(points > 500, "only {points} cuts");
    assert_eq!((fates_true, lost, doubled, hung), (points, 0, 0, 0));
    tally
}

#[test]
fn with_report_every_fate_is_told_and_true() {
    assert!(proven(Recovery::Report).unknown > 0, "some cuts leave a message unknown");
}

#[test]
fn with_replay_nothing_is_lost() {
    let tally = proven(Recovery::Replay);
    assert_eq!(tally.unknown, 0, "what is unknown is sent again");
    assert!(tally.twice > 0, "some cuts make a message come twice, which is the price");
}

#[test]
fn with_resume_nothing_is_lost_or_doubled_or_unknown() {
    let tally = proven(Recovery::Resume);
    assert_eq!((tally.unknown, tally.twice), (0, 0));
}

#[test]
fn links_resume_again_when_the_next_wires_are_cut_too() {
    let cuts = cuts(Recovery::Resume);
    let mut points = 0;
    for (index, first) in cuts.iter().enumerate().step_by(3) {
        let mut world = World::new(Recovery::Resume, first.latency);
        // Wires that follow are cut early, while they resume.
        let next = |step: usize| Cut { after: 300 + index * step % 1500, ..cuts[index * step % cuts.len()] };
        world.later = vec![next(7), next(13)];
        world.cut(*first);
        world.run();
        let verdict = world.verdict();
        let told = (verdict.untrue.len(), verdict.lost, verdict.doubled, verdict.unknown, verdict.hung);
        assert_eq!(
            told,
            (0, 0, 0, 0, false),
            "{first:?}, then {:?} and {:?}: {verdict:?}",
            next(13),
            next(7)
        );
        points += usize::from(world.wires > 2);
    }
    assert!(points > 100, "only {points} schedules had a second cut");
}
