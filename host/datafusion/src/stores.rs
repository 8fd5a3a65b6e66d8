//! DataFusion's object stores as sources of bytes.
//!
//! A scan of ours reads on threads of its own and waits for each read; stores are asynchronous. Reads are therefore futures on
//! a small runtime that belongs to the engine: neither the planner nor a worker of the caller's runtime, which may have one
//! thread only, is ever waited for by a read that needs it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock, mpsc};

use bytes::Bytes;
use datafusion_execution::object_store::ObjectStoreUrl;
use datafusion_execution::runtime_env::RuntimeEnv;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use pilaster::scan::ByteSource;
use tokio::runtime::{Builder, Runtime};

/// Threads that drive reads: they wait, and hand bytes on.
const THREADS: usize = 2;

/// The runtime of an engine's reads, started with the first.
#[derive(Default)]
pub struct ReadRuntime(OnceLock<Runtime>);

impl fmt::Debug for ReadRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRuntime").field("started", &self.0.get().is_some()).finish()
    }
}

impl ReadRuntime {
    fn get(&self) -> io::Result<&Runtime> {
        if let Some(runtime) = self.0.get() {
            return Ok(runtime);
        }
        let made = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("pilaster-read")
            .enable_all()
            .build()?;
        // Of two made at once one is used.
        if let Err(spare) = self.0.set(made) {
            spare.shutdown_background();
        }
        self.0.get().ok_or_else(|| io::Error::other("no runtime for reads"))
    }
}

impl Drop for ReadRuntime {
    fn drop(&mut self) {
        // May happen on a thread of another runtime, which must not block.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The stores that a session of DataFusion knows.
#[derive(Debug, Clone)]
pub struct Stores {
    runtime: Arc<ReadRuntime>,
    environment: Arc<RuntimeEnv>,
}

impl Stores {
    /// Those of `environment`, read on `runtime`.
    pub fn new(environment: Arc<RuntimeEnv>, runtime: Arc<ReadRuntime>) -> Self {
        Stores { runtime, environment }
    }

    /// A file in the store at `url`; none where no such store is registered.
    pub fn file(&self, url: &ObjectStoreUrl, meta: &ObjectMeta) -> Option<Arc<dyn ByteSource>> {
        let store = self.environment.object_store(url).ok()?;
        let tags = [meta.e_tag.clone(), meta.version.clone()];
        let version = format!("{tags:?} {}", meta.last_modified);
        Some(Arc::new(StoredFile {
            store,
            path: meta.location.clone(),
            length: meta.size,
            version,
            runtime: Arc::clone(&self.runtime),
        }))
    }
}

/// One object.
#[derive(Debug)]
struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    length: u64,
    version: String,
    runtime: Arc<ReadRuntime>,
}

impl ByteSource for StoredFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn version(&self) -> Option<String> {
        Some(self.version.clone())
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        self.runtime.get()?.spawn(async move {
            // Nobody is left to tell where the receiver is gone.
            let _ = sender.send(store.get_range(&path, range).await);
        });
        let read = receiver.recv().map_err(|_| io::Error::other("a read was given up"))?;
        read.map_err(|error| match error {
            object_store::Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
            other => io::Error::other(other),
        })
    }
}
