use std::{
    cell::{Cell, RefCell},
    mem, panic,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{lockstep::Guests, processor, random, virtual_clock};

/// Whole operators run as one future each in unoptimised builds too.
const STACK_BYTES: usize = 32 << 20;

/// What the threads of one run share.
#[derive(Default)]
pub(super) struct Simulation {
    trace: Mutex<Vec<String>>,
    guests: Guests,
    quiet: AtomicBool,
    panicked: AtomicBool,
    leaves_no_trace: AtomicBool,
}

thread_local! {
    /// Looked at first, and without a destructor: libc calls come from every thread, at any moment of its life.
    static TAKES_PART: Cell<bool> = const { Cell::new(false) };
    static CURRENT: RefCell<Option<Arc<Simulation>>> = const { RefCell::new(None) };
}

impl Simulation {
    /// The run that this thread belongs to.
    pub(super) fn current() -> Option<Arc<Self>> {
        if !TAKES_PART.get() {
            return None;
        }
        // A thread that is being torn down, or that is just joining, belongs to none.
        CURRENT.try_with(|current| current.try_borrow().ok()?.clone()).ok().flatten()
    }

    /// Makes this thread one of the run's.
    pub(super) fn join(self: &Arc<Self>) {
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        TAKES_PART.set(true);
    }

    /// Ends this thread's part in the run.
    pub(super) fn part() {
        TAKES_PART.set(false);
        // Without a slot there is nothing to part from.
        let _ = CURRENT.try_with(|current| current.borrow_mut().take());
    }

    pub(super) fn guests(&self) -> &Guests {
        &self.guests
    }

    /// Whether log events are left out of the trace at present.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::SeqCst)
    }

    pub(super) fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::SeqCst);
    }

    /// Whether nothing at all is traced.
    pub(super) fn leaves_no_trace(&self) -> bool {
        self.leaves_no_trace.load(Ordering::Relaxed)
    }

    pub(super) fn leave_no_trace(&self) {
        self.leaves_no_trace.store(true, Ordering::Relaxed);
    }

    pub(super) fn append(&self, line: String) {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(super) fn take_trace(&self) -> Vec<String> {
        mem::take(&mut *self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs `body` on a thread of its own, on which randomness, time and waiting are functions of `seed`, and returns
/// what it returns. A panic of `body` goes on in the caller, and one that something in it caught is one all the same.
///
/// Build and run a [`turmoil::Sim`] in `body`, with [`sim_builder`](crate::network::sim_builder), and let it go
/// before `body` ends. Client threads that are left then are ended before `run` returns.
pub fn run<T: Send + 'static>(seed: u64, body: impl FnOnce() -> T + Send + 'static) -> T {
    let simulated = move || {
        let thread = SimulationThread::enter(seed);
        let simulation = thread.0.clone();
        let value = body();
        // Client threads end with it, and may panic on the way.
        drop(thread);
        assert!(!simulation.panicked.load(Ordering::SeqCst), "something panicked, and went on");
        value
    };
    let thread = thread::Builder::new().name(format!("sim-{seed}")).stack_size(STACK_BYTES).spawn(simulated);
    match thread.expect("the operating system starts no thread").join() {
        Ok(value) => value,
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// This thread's part in a run, for as long as it lives.
struct SimulationThread(Arc<Simulation>);

impl SimulationThread {
    fn enter(seed: u64) -> Self {
        note_panics();
        processor::stay_on_one();
        let simulation = Arc::new(Simulation::default());
        virtual_clock::start();
        simulation.join();
        draw_what_is_drawn_once();
        random::seed(seed);
        Self(simulation)
    }
}

/// Whoever catches a panic, as the operator does, hides it from the run; so it is noted where it begins.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if let Some(simulation) = Simulation::current() {
                simulation.panicked.store(true, Ordering::SeqCst);
            }
            told(panic);
        }));
    });
}

/// Lets crates that keep a random value for the whole process draw it now, always the same one.
///
/// They would draw it in the first run of a process otherwise, and shift the randomness of that one alone.
fn draw_what_is_drawn_once() {
    random::seed(0);
    // The maps of kube's stores, by `ahash`.
    drop(kube::runtime::reflector::store::<k8s_openapi::api::core::v1::Pod>());
}

impl Drop for SimulationThread {
    fn drop(&mut self) {
        self.0.guests.end_all();
        Simulation::part();
        virtual_clock::stop();
        random::release();
    }
}
