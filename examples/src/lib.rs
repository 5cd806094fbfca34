//! The programs are in `src/bin/`. This library is here so that the code in the README is compiled and run.

#![cfg_attr(doctest, doc = include_str!("../../README.md"))]
