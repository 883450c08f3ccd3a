//! Runs each case against the simulated server and against the real one, as `rig` has them.

macro_rules! contract {
    ($($topic:ident: $($case:ident),+;)+) => {
        mod simulated {
            $($(
                #[test]
                fn $case() {
                    $crate::rig::simulated(|rig| Box::pin($crate::$topic::$case(rig)));
                }
            )+)+
        }
        mod real {
            $($(
                #[test]
                fn $case() {
                    $crate::rig::real(stringify!($case), |rig| Box::pin($crate::$topic::$case(rig)));
                }
            )+)+
        }
    };
}
