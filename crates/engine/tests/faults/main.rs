//! A program and a broker at work while everything goes wrong, in virtual time, with a model that knows what is true.

mod broker;
mod cuts;
mod program;
mod schedules;
mod world;
