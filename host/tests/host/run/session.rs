//! Sessions: cancellation, budgets, errors, reports, settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pilaster::place::Outcome;
use pilaster::plan::BatchSource;
use pilaster::{Backend, Error, Result};

use super::*;

/// An endless stream that counts what was taken of it.
#[derive(Debug, Default)]
struct Endless {
    taken: AtomicUsize,
    open: Arc<AtomicUsize>,
}

struct Stream(Arc<AtomicUsize>, std::ops::RangeFrom<i64>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.1.next().map(|index| Ok(batch(index * 1_000..(index + 1) * 1_000)))
    }
}

impl BatchSource for Endless {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn partitions(&self) -> usize {
        2
    }

    fn open(&self, _partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Stream(Arc::clone(&self.open), 0..)))
    }
}

/// A stream that fails, panics or lies after its first batch.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Fails,
    Panics,
    Lies,
}

impl BatchSource for Broken {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn partitions(&self) -> usize {
        3
    }

    fn open(&self, _partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let broken = *self;
        let second = std::iter::once_with(move || match broken {
            Broken::Fails => Err(Error::External { source_name: "engine".into(), reason: "gave up".into() }),
            Broken::Panics => panic!("a bug in an engine"),
            Broken::Lies => Ok(batch(0..10).project(&[2, 1, 0]).unwrap()),
        });
        Ok(Box::new(std::iter::once(Ok(batch(0..2_000))).chain(second)))
    }
}

fn all_rows_are_right(session: &Session) {
    let (batches, report) =
        session.collect(&source(2, 2, 500).sort(vec![ascending(0)], None).unwrap()).unwrap();
    assert_eq!(ints(&batches, 0), (0..2_000).map(Some).collect::<Vec<_>>());
    assert!(report.executed);
    assert_eq!(session.reserved_host_bytes(), 0);
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_query_cancelled_half_way_ends_and_gives_everything_back() {
    let session = cpu(2);
    let endless = Arc::new(Endless::default());
    let input: Arc<dyn BatchSource> = Arc::clone(&endless) as _;
    let mut execution = session.run(&Plan::input(Arc::clone(&input))).unwrap();
    for _ in 0..5 {
        execution.next().unwrap().unwrap();
    }
    execution.cancel();
    assert!(matches!(execution.next(), Some(Err(Error::Cancelled))));
    assert!(execution.next().is_none());
    assert!(!execution.report().executed);
    assert_eq!(endless.open.load(Ordering::SeqCst), 0, "streams are closed before the end is told");
    all_rows_are_right(&session);

    // A sink that never ends by itself, cancelled by another thread while its consumer waits.
    let sort = Plan::input(input).sort(vec![ascending(1)], None).unwrap();
    let mut execution = session.run(&sort).unwrap();
    let flag = execution.cancellation();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.cancel();
    });
    assert!(matches!(execution.next(), Some(Err(Error::Cancelled))));
    canceller.join().unwrap();
    all_rows_are_right(&session);
}

#[test]
fn dropping_an_execution_cancels_it() {
    let session = cpu(2);
    let endless = Arc::new(Endless::default());
    let mut execution = session.run(&Plan::input(Arc::clone(&endless) as _)).unwrap();
    execution.next().unwrap().unwrap();
    drop(execution);
    eventually("the end of its streams", || endless.open.load(Ordering::SeqCst) == 0);
    let execution = session.run(&Plan::input(Arc::clone(&endless) as _)).unwrap();
    execution.close();
    assert_eq!(endless.open.load(Ordering::SeqCst), 0);
    all_rows_are_right(&session);
}

#[test]
fn a_slow_consumer_holds_the_query_back() {
    let session = cpu(1);
    let endless = Arc::new(Endless::default());
    let mut execution = session.run(&Plan::input(Arc::clone(&endless) as _)).unwrap();
    execution.next().unwrap().unwrap();
    // Another query gets its turn on the only thread of the pool all the same.
    std::thread::sleep(Duration::from_millis(30));
    all_rows_are_right(&session);
    execution.close();
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn an_async_consumer_is_woken_and_never_blocks() {
    let session = cpu(2);
    let mut execution = session.run(&source(2, 3, 1_000)).unwrap();
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut rows = 0;
    loop {
        match execution.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(batch)) => rows += batch.unwrap().num_rows(),
            Poll::Ready(None) => break,
            Poll::Pending => eventually("a wake", || flag.0.swap(false, Ordering::SeqCst)),
        }
    }
    assert_eq!(rows, 6_000);
    assert!(execution.report().executed);
}

#[test]
fn what_a_source_raises_ends_the_query_only() {
    let session = cpu(2);
    let sinks: [fn(Plan) -> Plan; 3] = [
        |plan| plan,
        |plan| plan.sort(vec![ascending(0)], None).unwrap(),
        |plan| plan.limit(5_900, Some(100)).unwrap(),
    ];
    for sink in sinks {
        let run = |broken: Broken| session.collect(&sink(Plan::input(Arc::new(broken)))).unwrap_err();
        assert!(matches!(run(Broken::Fails), Error::External { source_name, .. } if source_name == "engine"));
        assert!(
            matches!(run(Broken::Panics), Error::External { reason, .. } if reason == "a bug in an engine")
        );
        assert!(matches!(run(Broken::Lies), Error::InvalidInput(_)));
        all_rows_are_right(&session);
    }
}

#[test]
fn a_budget_too_small_for_a_batch_is_an_error_and_not_a_crash() {
    let limited = |bytes| SessionConfig {
        backend: BackendChoice::Cpu,
        threads: 2,
        host_memory_limit_bytes: bytes,
        ..Default::default()
    };
    let big = || source(2, 50, 1_000);
    let session = Session::new(limited(2 << 10)).unwrap();
    let few = || source(2, 2, 500);
    let plans = [
        few().sort(vec![ascending(1)], None).unwrap(),
        few().sort(vec![ascending(1)], None).unwrap().filter(less(value(), 5)).unwrap(),
    ];
    for plan in plans {
        let error = session.collect(&plan).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { backend: Backend::Cpu, .. }), "{error}");
        assert_eq!(
            ints(&session.collect(&source(1, 1, 200)).unwrap().0, 0),
            (0..200).map(Some).collect::<Vec<_>>()
        );
        assert_eq!(session.reserved_host_bytes(), 0);
    }
    // Streaming holds nothing, and a top-k little.
    let session = Session::new(limited(1 << 20)).unwrap();
    let (batches, _) = session.collect(&big()).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
    let (batches, report) =
        session.collect(&source(2, 5, 1_000).sort(vec![ascending(0)], Some(3)).unwrap()).unwrap();
    assert_eq!(ints(&batches, 0), [Some(0), Some(1), Some(2)]);
    assert_eq!(report.spilled_bytes(), 0, "{report}");
    assert!(report.peak_host_bytes > 0 && report.peak_host_bytes <= 1 << 20, "{}", report.peak_host_bytes);
}

#[test]
fn queries_that_feed_each_other_share_a_pool_of_one() {
    #[derive(Debug)]
    struct Nested(Session, Plan);
    impl BatchSource for Nested {
        fn schema(&self) -> SchemaRef {
            Arc::clone(self.1.schema())
        }
        fn partitions(&self) -> usize {
            3
        }
        fn open(&self, _: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
            Ok(Box::new(self.0.run(&self.1)?))
        }
    }
    let session = cpu(1);
    let inner = source(2, 20, 1_000);
    let outer = Plan::input(Arc::new(Nested(session.clone(), inner)));
    let (batches, _) = session.collect(&outer.sort(vec![ascending(0)], Some(4)).unwrap()).unwrap();
    assert_eq!(ints(&batches, 0), [Some(0), Some(0), Some(0), Some(1)]);
}

#[test]
fn many_queries_at_once() {
    let session = cpu(2);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let plan = source(2, 3, 400).sort(vec![ascending(0)], None).unwrap();
                let (batches, _) = session.collect(&plan).unwrap();
                assert_eq!(ints(&batches, 0), (0..2_400).map(Some).collect::<Vec<_>>());
            });
        }
    });
    assert_eq!(session.reserved_host_bytes(), 0);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for config in [
        SessionConfig { cpu_batch_rows: 0, ..Default::default() },
        SessionConfig { device_batch_rows: usize::MAX, ..Default::default() },
    ] {
        assert!(matches!(Session::new(config), Err(Error::InvalidInput(_))));
    }
    assert_eq!("GPU".parse::<BackendChoice>().unwrap(), BackendChoice::Gpu);
    assert!("tpu".parse::<BackendChoice>().is_err());
}

#[test]
fn a_cpu_session_leaves_everything_and_says_why() {
    let plan = source(1, 1, 10).sort(vec![ascending(0)], None).unwrap();
    let session = cpu(1);
    let explained = session.explain(&plan).unwrap();
    let (_, ran) = session.collect(&plan).unwrap();
    for report in [&explained, &ran] {
        assert_eq!((report.taken(), report.left(), report.fell_back()), (0, 2, 0));
        let reasons = report.operators.iter().map(|operator| &operator.outcome);
        assert!(reasons.clone().all(|outcome| *outcome == Outcome::Left("backend is cpu".into())));
    }
    assert!(!explained.executed);
    let text = ran.to_string();
    assert!(text.contains("Sort: [id asc nulls last]") && text.contains("LEFT"), "{text}");
    assert!(text.contains("pipeline 0 on cpu") && text.contains("rows 10 -> 10"), "{text}");
}
