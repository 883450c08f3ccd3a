use http::Method;

/// Decides what happens to each request, before anything is done.
///
/// It may look at the [`Store`](super::Store): nobody holds it meanwhile.
pub trait Treat: Send + Sync {
    /// Called once per request, in the order in which they arrive.
    fn treat(&self, asked: &Asked) -> Treatment;
}

/// A request, before its body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Which step it is.
    pub what: Kind,
}

/// The steps that pushes, pulls and deletions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whether the registry is there.
    Ping,
    /// A session for a blob is started, or the blob is sent or mounted at once.
    StartUpload,
    /// A part of a blob is sent.
    Chunk,
    /// The last part of a blob, or the whole of it, is sent with its digest.
    FinishUpload,
    /// A blob is read, or asked for.
    GetBlob,
    /// A blob is deleted.
    DeleteBlob,
    /// A manifest is sent.
    PutManifest,
    /// A manifest is read, or asked for.
    GetManifest,
    /// A manifest is deleted.
    DeleteManifest,
    /// All else: the state of a session, its end, the tags.
    Other,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is served.
    Serve,
    /// It is read and answered so, and nothing is done.
    Refuse {
        /// HTTP status.
        status: u16,
        /// The code of the error in the answer.
        code: &'static str,
        /// What the answer says to people.
        message: &'static str,
    },
    /// The connection breaks when about half of the body is read. No blob and no manifest is stored; a session of an
    /// upload has got what was read, as a real one has, so that its location is good for nothing more.
    BreakInBody,
    /// It is done, and the connection breaks before the answer.
    ServeAndBreak,
    /// Nothing is done, and no answer ever comes.
    Hang,
}

/// Nothing goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysServe;

impl Treat for AlwaysServe {
    fn treat(&self, _: &Asked) -> Treatment {
        Treatment::Serve
    }
}
