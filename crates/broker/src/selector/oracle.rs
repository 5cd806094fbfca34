//! Selectors beside an oracle: conditions are made up, written as text, and worked out twice.

use deuteron::Message;
use proptest::prelude::*;

use super::Selector;

/// Properties that messages may have: numbers, texts and truths.
const NUMBERS: [&str; 3] = ["n0", "n1", "n2"];
const TEXTS: [&str; 2] = ["t0", "t1"];
const TRUTHS: [&str; 2] = ["b0", "b1"];

/// What a message has.
#[derive(Clone, Debug)]
struct World {
    numbers: [Option<i64>; 3],
    texts: [Option<String>; 2],
    truths: [Option<bool>; 2],
}

#[derive(Clone, Debug)]
enum Number {
    Literal(i64),
    Property(usize),
    Negative(Box<Self>),
    Calculation(Box<Self>, char, Box<Self>),
}

#[derive(Clone, Debug)]
enum Condition {
    Literal(bool),
    Property(usize),
    Order(Number, &'static str, Number),
    Texts(usize, bool, String),
    Truths(Box<Self>, bool, usize),
    Between(Number, bool, Number, Number),
    In(usize, bool, Vec<String>),
    Starts(usize, bool, String),
    NumberIsNull(usize, bool),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

fn number() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![(-5..6_i64).prop_map(Number::Literal), (0..3_usize).prop_map(Number::Property)];
    leaf.prop_recursive(3, 8, 2, |number| {
        let signs = prop_oneof![Just('+'), Just('-'), Just('*'), Just('/')];
        prop_oneof![
            number.clone().prop_map(|number| Number::Negative(Box::new(number))),
            (number.clone(), signs, number).prop_map(|(left, sign, right)| Number::Calculation(
                Box::new(left),
                sign,
                Box::new(right)
            )),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    "[ab']{0,2}"
}

fn condition() -> impl Strategy<Value = Condition> {
    let orders = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let flag = any::<bool>();
    let leaf = prop_oneof![
        flag.prop_map(Condition::Literal),
        (0..2_usize).prop_map(Condition::Property),
        (number(), orders, number()).prop_map(|(left, order, right)| Condition::Order(left, order, right)),
        (0..2_usize, flag, text())
            .prop_map(|(property, equal, text)| Condition::Texts(property, equal, text)),
        (number(), flag, number(), number())
            .prop_map(|(number, negated, low, high)| Condition::Between(number, negated, low, high)),
        (0..2_usize, flag, prop::collection::vec(text(), 1..4))
            .prop_map(|(property, negated, choices)| Condition::In(property, negated, choices)),
        (0..2_usize, flag, "[ab]{0,2}")
            .prop_map(|(property, negated, start)| Condition::Starts(property, negated, start)),
        (0..3_usize, flag).prop_map(|(property, negated)| Condition::NumberIsNull(property, negated)),
    ];
    leaf.prop_recursive(4, 24, 2, |condition| {
        let boxed = condition.prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Condition::Not),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Condition::And(left, right)),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Condition::Or(left, right)),
            (boxed, any::<bool>(), 0..2_usize)
                .prop_map(|(left, equal, right)| Condition::Truths(left, equal, right)),
        ]
    })
}

fn world() -> impl Strategy<Value = World> {
    let number = || prop::option::of(-5..6_i64);
    let text = || prop::option::of(text());
    let truth = || prop::option::of(any::<bool>());
    ([number(), number(), number()], [text(), text()], [truth(), truth()])
        .prop_map(|(numbers, texts, truths)| World { numbers, texts, truths })
}

/// Three-valued logic as tables have it: true is 2, unknown 1, false 0.
fn level(truth: Option<bool>) -> u8 {
    truth.map_or(1, |truth| u8::from(truth) * 2)
}

fn of_level(level: u8) -> Option<bool> {
    (level != 1).then_some(level == 2)
}

impl Number {
    fn value(&self, world: &World) -> Option<i64> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Property(property) => world.numbers[*property],
            Self::Negative(number) => number.value(world).map(|value| -value),
            Self::Calculation(left, sign, right) => {
                let (left, right) = (left.value(world)?, right.value(world)?);
                match sign {
                    '+' => Some(left + right),
                    '-' => Some(left - right),
                    '*' => Some(left * right),
                    _ => (right != 0).then(|| left / right),
                }
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Literal(value) => out.push_str(&value.to_string()),
            Self::Property(property) => out.push_str(NUMBERS[*property]),
            Self::Negative(number) => {
                out.push('-');
                number.write_within(out);
            }
            Self::Calculation(left, sign, right) => {
                left.write_within(out);
                out.push_str(&format!(" {sign}"));
                right.write_within(out);
            }
        }
    }

    fn write_within(&self, out: &mut String) {
        out.push('(');
        self.write(out);
        out.push(')');
    }
}

impl Condition {
    fn truth(&self, world: &World) -> Option<bool> {
        match self {
            Self::Literal(truth) => Some(*truth),
            Self::Property(property) => world.truths[*property],
            Self::Order(left, order, right) => {
                let (left, right) = (left.value(world)?, right.value(world)?);
                Some(match *order {
                    "=" => left == right,
                    "<>" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    _ => left >= right,
                })
            }
            Self::Texts(property, equal, text) => Some((world.texts[*property].as_ref()? == text) == *equal),
            Self::Truths(left, equal, right) => {
                let left = left.truth(world)?;
                Some((left == world.truths[*right]?) == *equal)
            }
            Self::Between(number, negated, low, high) => {
                // Half known may be decided.
                let (number, low, high) = (number.value(world), low.value(world), high.value(world));
                let above = number.zip(low).map(|(number, low)| number >= low);
                let below = number.zip(high).map(|(number, high)| number <= high);
                let between = of_level(level(above).min(level(below)));
                between.map(|between| between != *negated)
            }
            Self::In(property, negated, choices) => {
                Some(choices.contains(world.texts[*property].as_ref()?) != *negated)
            }
            Self::Starts(property, negated, start) => {
                Some(world.texts[*property].as_ref()?.starts_with(start) != *negated)
            }
            Self::NumberIsNull(property, negated) => Some(world.numbers[*property].is_none() != *negated),
            Self::Not(operand) => of_level(2 - level(operand.truth(world))),
            Self::And(left, right) => of_level(level(left.truth(world)).min(level(right.truth(world)))),
            Self::Or(left, right) => of_level(level(left.truth(world)).max(level(right.truth(world)))),
        }
    }

    /// How tightly it binds: OR 0, AND 1, NOT 2, all else 3. Parentheses only where they are needed.
    fn binds(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Not(_) => 2,
            _ => 3,
        }
    }

    fn write(&self, out: &mut String) {
        let not = |negated: bool| if negated { "not " } else { "" };
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            Self::Literal(truth) => out.push_str(if *truth { "TRUE" } else { "False" }),
            Self::Property(property) => out.push_str(TRUTHS[*property]),
            Self::Order(left, order, right) => {
                left.write(out);
                out.push_str(order);
                right.write(out);
            }
            Self::Texts(property, equal, text) => {
                let order = if *equal { "=" } else { "<>" };
                out.push_str(&format!("{}{order}{}", TEXTS[*property], quoted(text)));
            }
            Self::Truths(left, equal, right) => {
                out.push('(');
                left.write(out);
                out.push_str(if *equal { ")=" } else { ")<>" });
                out.push_str(TRUTHS[*right]);
            }
            Self::Between(number, negated, low, high) => {
                number.write(out);
                out.push_str(&format!(" {}BETWEEN ", not(*negated)));
                low.write(out);
                out.push_str(" AND ");
                high.write(out);
            }
            Self::In(property, negated, choices) => {
                let choices: Vec<_> = choices.iter().map(|choice| quoted(choice)).collect();
                out.push_str(&format!("{} {}In ({})", TEXTS[*property], not(*negated), choices.join(",")));
            }
            Self::Starts(property, negated, start) => {
                out.push_str(&format!(
                    "{} {}like {}",
                    TEXTS[*property],
                    not(*negated),
                    quoted(&format!("{start}%"))
                ));
            }
            Self::NumberIsNull(property, negated) => {
                out.push_str(&format!("{} is {}null", NUMBERS[*property], not(*negated)));
            }
            Self::Not(operand) => {
                out.push_str("NOT ");
                operand.write_within(out, 2);
            }
            Self::And(left, right) => {
                left.write_within(out, 1);
                out.push_str(" and ");
                right.write_within(out, 1);
            }
            Self::Or(left, right) => {
                left.write_within(out, 0);
                out.push_str(" OR ");
                right.write_within(out, 0);
            }
        }
    }

    fn write_within(&self, out: &mut String, binds: u8) {
        if self.binds() < binds {
            out.push('(');
            self.write(out);
            out.push(')');
        } else {
            self.write(out);
        }
    }
}

impl World {
    fn message(&self) -> Message {
        let mut message = Message::new("x");
        for (name, value) in NUMBERS.into_iter().zip(self.numbers) {
            if let Some(value) = value {
                message = message.with_property(name, value);
            }
        }
        for (name, value) in TEXTS.into_iter().zip(&self.texts) {
            if let Some(value) = value {
                message = message.with_property(name, value.as_str());
            }
        }
        for (name, value) in TRUTHS.into_iter().zip(self.truths) {
            if let Some(value) = value {
                message = message.with_property(name, value);
            }
        }
        message
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_selector_selects_what_its_condition_says(condition in condition(), worlds in prop::collection::vec(world(), 5)) {
        let mut text = String::new();
        condition.write(&mut text);
        let positive = Selector::parse(&text);
        let negative = Selector::parse(&format!("NOT ({text})"));
        let (Ok(positive), Ok(negative)) = (&positive, &negative) else {
            return Err(TestCaseError::fail(format!("{text}: {positive:?}, {negative:?}")));
        };
        for world in worlds {
            let payload = world.message().to_bytes();
            let found = (positive.matches(&payload, 0), negative.matches(&payload, 0));
            // That neither is true is how unknown shows.
            let truth = condition.truth(&world);
            prop_assert_eq!(found, (truth == Some(true), truth == Some(false)), "{} in {:?}", text, world);
        }
    }
}
