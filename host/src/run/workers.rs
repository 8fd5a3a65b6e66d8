//! Workers: threads of the query that take tasks in order and compute on the session's pool.
//!
//! What may block (an engine's stream, a full output queue) blocks a worker's own thread and never a thread of the pool,
//! so that queries which feed each other cannot starve one another; what computes runs on the pool, so that all queries of
//! a session together use no more cores than it has.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::probing::Way;
use super::query::Query;
use super::reading::{Chunks, Filtered, Reading};
use super::task::Task;

/// Most threads of one pipeline that wait on engines' streams at a time.
const MAX_BLOCKING_WORKERS: usize = 64;

/// Whether a task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// No more rows of this task are wanted.
    NextTask,
    /// No more rows of this task nor of any later one.
    Stop,
}

/// What a pipeline does with its chunks.
pub(crate) trait Sinking: Sync {
    /// A worker's own state.
    type Local: Send;
    /// True where [`Sinking::drain`] may block.
    const DRAINS: bool = false;
    /// True where the sink takes chunks that the scan has filtered already.
    const FILTERED: bool = true;
    /// True where the sink takes chunks with columns that are still encoded.
    const ENCODED: bool = false;

    /// Rows of a chunk, at most.
    fn batch_rows(&self, query: &Query) -> usize {
        query.cpu_batch_rows()
    }
    fn local(&self) -> Result<Self::Local>;
    /// Takes a chunk, on the pool.
    fn consume(&self, local: &mut Self::Local, task: &Task, chunk: Chunk, filtered: Filtered)
    -> Result<Flow>;
    /// The task's last chunk was taken, on the pool.
    fn end_task(&self, _local: &mut Self::Local, _task: &Task) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    /// Hands on what has piled up, on the worker's own thread.
    fn drain(&self, _local: &mut Self::Local) -> Result<()> {
        Ok(())
    }
}

/// Runs `tasks` through `sink`; the workers' states come back, in the order of their workers. What remains of a join comes
/// after all tasks that feed it.
pub(crate) fn run<S: Sinking>(
    query: &Query,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    sink: &S,
) -> Result<Vec<S::Local>> {
    let stop = AtomicBool::new(false);
    let mut locals = Vec::new();
    // Without tasks there is a state all the same.
    let phases = tasks.chunk_by(Task::runs_with).chain(tasks.is_empty().then_some(tasks));
    for tasks in phases {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let phase = Shared {
            query,
            readings,
            tasks,
            sink,
            next: AtomicUsize::new(0),
            stop: &stop,
            error: Mutex::new(None),
        };
        locals = phase.run(locals)?;
    }
    Ok(locals)
}

/// Workers of a pipeline.
pub(crate) fn count(query: &Query, tasks: &[Task]) -> usize {
    let blocking = tasks.iter().filter(|task| task.blocks()).count();
    blocking.min(MAX_BLOCKING_WORKERS).max(query.threads().min(tasks.len()))
}

/// Does items `0..count`, each on some thread of the query; the first error stops what has not begun.
pub(crate) fn each(query: &Query, count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let items = || {
        while !stop.load(Ordering::Acquire) {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= count {
                break;
            }
            let done = query.check().and_then(|()| caught(|| work(item)));
            if done.is_err() {
                stop.store(true, Ordering::Release);
                return done;
            }
        }
        Ok(())
    };
    let threads = query.threads().min(count);
    if threads <= 1 {
        return items();
    }
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().name("pilaster-part".into()).spawn_scoped(scope, items);
        let started: Vec<_> = (0..threads).map(start).collect();
        let ends = started.into_iter().map(|thread| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| Err(panicked(&panic))),
            Err(error) => Err(Error::Io { path: "part thread".into(), reason: error.to_string() }),
        });
        let ends: Vec<Result<()>> = ends.collect();
        ends.into_iter().collect()
    })
}

struct Shared<'a, S> {
    query: &'a Query,
    readings: &'a [Arc<Reading>],
    tasks: &'a [Task],
    sink: &'a S,
    next: AtomicUsize,
    stop: &'a AtomicBool,
    error: Mutex<Option<Error>>,
}

impl<S: Sinking> Shared<'_, S> {
    /// Runs the tasks; workers go on with the `locals` of an earlier phase.
    fn run(&self, locals: Vec<S::Local>) -> Result<Vec<S::Local>> {
        let workers = count(self.query, self.tasks).max(1);
        let mut locals: Vec<Option<S::Local>> = locals.into_iter().map(Some).collect();
        let idle: Vec<S::Local> = locals.drain(workers.min(locals.len())..).flatten().collect();
        locals.resize_with(workers, || None);
        let worked = if workers == 1 {
            locals.into_iter().map(|local| caught(|| self.work(local))).collect()
        } else {
            self.on_threads(locals)
        };
        // A worker's own error says more than the cancellation that it caused in others.
        if let Some(error) = self.error.lock().take() {
            return Err(error);
        }
        worked.into_iter().chain(idle.into_iter().map(Ok)).collect()
    }

    fn on_threads(&self, locals: Vec<Option<S::Local>>) -> Vec<Result<S::Local>> {
        std::thread::scope(|scope| {
            let start = |local| {
                let builder = std::thread::Builder::new().name("pilaster-worker".into());
                builder.spawn_scoped(scope, || caught(|| self.work(local)))
            };
            let threads: Vec<_> = locals.into_iter().map(start).collect();
            let join =
                |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, Result<S::Local>>>| match thread {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| Err(panicked(&panic))),
                    Err(error) => Err(Error::Io { path: "worker thread".into(), reason: error.to_string() }),
                };
            threads.into_iter().map(join).collect()
        })
    }

    fn work(&self, local: Option<S::Local>) -> Result<S::Local> {
        let mut local = local.map_or_else(|| self.sink.local(), Ok)?;
        while !self.stop.load(Ordering::Acquire) {
            let Some(task) = self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            match self.task(task, &mut local) {
                Ok(Flow::Stop) => self.stop.store(true, Ordering::Release),
                Ok(_) => {}
                Err(error) => {
                    self.stop.store(true, Ordering::Release);
                    let mut first = self.error.lock();
                    if matches!(*first, None | Some(Error::Cancelled)) {
                        *first = Some(error);
                    }
                    break;
                }
            }
        }
        Ok(local)
    }

    /// A task that neither waits for an engine nor drains is one job of the pool; another is one job per chunk.
    fn task(&self, task: &Task, local: &mut S::Local) -> Result<Flow> {
        if !task.blocks() && !S::DRAINS {
            return self.query.on_pool(|| self.task_in_one_job(task, local));
        }
        self.task_by_chunk(task, local)
    }

    fn open(&self, task: &Task) -> Result<Opened<'_>> {
        let reading = &self.readings[task.branch];
        let reserve = self.query.host_reserve();
        let encoded = if S::ENCODED { reading.open_encoded(task, &reserve) } else { None };
        let (chunks, filtered) = match encoded {
            Some(chunks) => (chunks, Filtered::No),
            None => reading.open(task, self.sink.batch_rows(self.query), S::FILTERED, reserve)?,
        };
        let way = reading.probing().way(task.enters(), self.query);
        Ok(Opened { chunks, filtered, way, order: task.order, before: 0 })
    }

    fn task_in_one_job(&self, task: &Task, local: &mut S::Local) -> Result<Flow> {
        let mut opened = self.open(task)?;
        while let Some((chunk, filtered)) = opened.next(self.query)? {
            self.query.check()?;
            if self.stop.load(Ordering::Acquire) {
                return Ok(Flow::NextTask);
            }
            match self.sink.consume(local, task, chunk, filtered)? {
                Flow::Continue => {}
                Flow::NextTask => break,
                Flow::Stop => return Ok(Flow::Stop),
            }
        }
        self.sink.end_task(local, task)
    }

    fn task_by_chunk(&self, task: &Task, local: &mut S::Local) -> Result<Flow> {
        let mut opened = self.open(task)?;
        let (query, sink) = (self.query, self.sink);
        loop {
            query.check()?;
            if self.stop.load(Ordering::Acquire) {
                return Ok(Flow::NextTask);
            }
            // What may wait for an engine is waited for here, what joins make of it is made on the pool.
            let waits = task.blocks() && !opened.way.has_rows();
            let read = if waits { opened.chunks.next().transpose()? } else { None };
            if waits && read.is_none() {
                break;
            }
            let flow = query.on_pool(|| {
                read.map_or(Ok(()), |chunk| opened.feed(chunk))?;
                let next = if task.blocks() { opened.next_of_fed(query) } else { opened.next(query) };
                next?.map(|(chunk, filtered)| sink.consume(local, task, chunk, filtered)).transpose()
            })?;
            sink.drain(local)?;
            match flow {
                Some(Flow::Continue) => {}
                Some(Flow::Stop) => return Ok(Flow::Stop),
                None if task.blocks() => {}
                Some(Flow::NextTask) | None => break,
            }
        }
        query.on_pool(|| self.sink.end_task(local, task))
    }
}

/// A task's chunks, as they come out of the joins of its branch.
struct Opened<'a> {
    chunks: Chunks,
    filtered: Filtered,
    way: Way<'a>,
    order: usize,
    /// Rows that came out before.
    before: u64,
}

impl Opened<'_> {
    fn next(&mut self, query: &Query) -> Result<Option<(Chunk, Filtered)>> {
        loop {
            if let Some(next) = self.next_of_fed(query)? {
                return Ok(Some(next));
            }
            let Some(chunk) = self.chunks.next().transpose()? else { return Ok(None) };
            self.feed(chunk)?;
        }
    }

    fn feed(&mut self, chunk: Chunk) -> Result<()> {
        self.way.feed(chunk, self.filtered)
    }

    /// The next chunk without reading more of the source.
    fn next_of_fed(&mut self, query: &Query) -> Result<Option<(Chunk, Filtered)>> {
        let next = self.way.next(query)?;
        Ok(next.map(|(chunk, filtered)| (chunk.placed(self.order, &mut self.before), filtered)))
    }
}

/// Turns a panic into an error at the edge of a thread: a bug must not hang whoever waits for the query.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&panic)))
}

fn panicked(panic: &Box<dyn Any + Send>) -> Error {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::External { source_name: "panic".into(), reason: text.unwrap_or_else(|| "no message".into()) }
}
