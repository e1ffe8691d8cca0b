//! How findings stand to what is known and accepted: few waivers and few days, shared by many findings.

use std::collections::HashMap;

use crate::audit::finding::State;

/// States by number.
#[derive(Clone, Debug)]
pub(super) struct States {
    all: Vec<State>,
    numbers: HashMap<State, u32>,
}

impl Default for States {
    fn default() -> Self {
        Self { all: vec![State::New], numbers: [(State::New, 0)].into() }
    }
}

impl States {
    pub(super) fn number(&mut self, state: State) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        // Four thousand million waivers do not fit into memory.
        let number = self.all.len() as u32;
        self.all.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> &State {
        self.all.get(number as usize).unwrap_or(&State::New)
    }
}
