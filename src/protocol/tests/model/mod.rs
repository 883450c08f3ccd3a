//! The core against a plain reading of docs/protocol.md, as a state machine beside another.
//!
//! ```text
//!   outside    the reference: what has happened from outside, what may happen next, what it may come to
//!   course     a migration that nothing disturbs, turn by turn: there the reference knows all that is asked for
//!   meddling   what happens from outside: lost answers, lies, restarts, pods and queues that vanish, a clock that jumps
//!   run        the system under test: the core, its status, and the world around it
//!   witness    what the operator was told and what it asked for, apart from its own status
//!   rules      what may be done, given that; sayings: what may be said; gaps: what the target lacks; patience: the clock
//! ```

mod course;
mod gaps;
mod meddling;
mod outside;
mod patience;
mod rules;
mod run;
mod sayings;
mod witness;

use proptest::{prelude::*, test_runner::TestCaseError};
use proptest_state_machine::{StateMachineTest, prop_state_machine};

use self::{
    outside::{Happening, Outside},
    rules::Verdict,
    run::Run,
};

/// `decide`, with an operator's shell and a world around it.
struct Core;

/// Fails without the panic hook, which would print each of the many failures that shrinking looks at.
fn hold(verdict: Verdict) {
    if let Err(TestCaseError::Fail(why) | TestCaseError::Reject(why)) = verdict {
        std::panic::resume_unwind(Box::new(why.message().to_owned()));
    }
}

impl StateMachineTest for Core {
    type SystemUnderTest = Run;
    type Reference = Outside;

    fn init_test(outside: &Outside) -> Run {
        Run::new(outside.spec())
    }

    fn apply(mut run: Run, outside: &Outside, happening: Happening) -> Run {
        match happening {
            Happening::Turn(step) => hold(run.turn(&step, outside)),
            Happening::Meddling(meddling) => run.meddle(&meddling),
        }
        run
    }

    fn check_invariants(run: &Run, outside: &Outside) {
        hold(run.is_where_it_may_be(outside));
    }

    /// The trouble is over: where nobody lied, so is the migration after a while.
    fn teardown(mut run: Run, outside: Outside) {
        hold(run.comes_to_an_end(&outside));
    }
}

prop_state_machine! {
    // The same cases every time; PROPTEST_CASES and PROPTEST_RNG_SEED look further.
    #![proptest_config(ProptestConfig {
        cases: 250,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    /// Whatever is said, lost or broken, no decision does what the protocol does not allow; and where nobody lied, the
    /// migration ends once the trouble does.
    #[test]
    fn decides_only_what_the_protocol_allows(sequential 1..140 => Core);
}
