/// <reference types="node" />
import { Writable } from 'node:stream';

// An invalid argument is a `TypeError` or a `RangeError` that names the argument and the rule. It has a `code` of Node.js:
// `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE`. A value that the library rejects, such as a region
// with a space, is a `GlacierError` with the code `GLACIER_E_INVALID`. Unknown options are errors. An option that is
// `undefined` is not given. Texts and paths must not contain NUL characters or lone surrogates.

/** An integer, 0 or more. Numbers are safe integers: larger values need a bigint. */
export type Count = number | bigint;

/** The path of a file, or its `file:` URL. */
export type Path = string | URL;

/** Keys that sign requests. Other properties are ignored. */
export interface Credentials {
  /** The access key ID. */
  accessKeyId: string;
  /** The secret access key. */
  secretAccessKey: string;
  /** The session token of temporary credentials. */
  sessionToken?: string | null;
  /**
   * When temporary credentials expire: at least 1 second after 1970-01-01 UTC. Credentials of a function are replaced
   * before this time. Without it, they do not expire.
   */
  expiration?: Date | null;
}

/** A function that returns credentials, such as a credential provider of the AWS SDK for JavaScript. */
export type CredentialsProvider = () => Credentials | Promise<Credentials>;

export type LogLevel = 'off' | 'error' | 'warn' | 'info' | 'debug';

/** The settings of a client. A setting that is not given comes from the environment, or has a default. */
export interface ClientOptions {
  /** The AWS region of the vaults, such as `eu-central-1`. */
  region?: string;
  /** The endpoint instead of the region's own: `https://host[:port]` or `http://host[:port]`. */
  endpoint?: string;
  /** The account that owns the vaults: 12 digits, or `-` (default) for the account of the credentials. */
  accountId?: string;
  /**
   * Keys, or a function that returns them. The function is called before the first request, and again in the background
   * while an upload runs, when less than 10 minutes or half of their life left.
   */
  credentials?: Credentials | CredentialsProvider;
  /** The profile of the shared AWS files. It precedes keys in the environment. */
  profile?: string;
  /** The URL of an HTTP proxy, `http://` or `https://`; `''`: no proxy. Default: the proxy of the environment. */
  proxy?: string;
  /** The CA file: a PEM file with the only certificates to trust. Default: those of the system. */
  caFile?: Path;
  /** The name of the program in the `User-Agent` header. */
  userAgent?: string;
  /** The maximum number of parts in flight per upload, 1 to 32. Default: 8. */
  concurrency?: Count;
  /** The maximum number of attempts per request; 0: no maximum. Default: 10, which outages alone do not reach. */
  maxAttempts?: Count;
  /** The memory of part buffers of all uploads of the client, in bytes, at least 1 MiB. Default: 256 MiB. */
  memoryLimit?: Count;
  /** The bandwidth limit of all uploads of the client, in bytes per second; 0 (default): no limit. */
  bandwidthLimit?: Count;
  /** The timeout for opening a connection, in milliseconds. Default: 10,000. */
  connectTimeoutMs?: Count;
  /** The maximum time without progress on a connection, in milliseconds. Default: 60,000. */
  stallTimeoutMs?: Count;
  /** How long failed requests are retried without an acknowledged part, in milliseconds. Default: 1,800,000 (30 minutes). */
  giveUpAfterMs?: Count;
  /** Receives log lines: retries, throttling and other failures that no error reports. */
  log?: (level: LogLevel, message: string) => void;
  /** The most detailed level that `log` receives. Default: `warn`. */
  logLevel?: LogLevel;
}

/**
 * The source of an archive: a path, a `file:` URL, bytes, or a stream of bytes of any length such as a `Readable`.
 *
 * A `Uint8Array` is not copied. Before the upload is closed, its bytes must not change, and its `ArrayBuffer` must not be
 * transferred, detached or resized: the library would read freed memory, which can end the process.
 *
 * The chunks of a stream are copied. An async iterable may reuse the memory of a chunk when the next chunk is requested.
 * A `Readable` or a `ReadableStream` must not: it reads ahead. A chunk that is not a `Uint8Array` rejects with a
 * `TypeError`. A file of `fs.createReadStream(path)` that is truncated while it is read rejects with
 * `GLACIER_E_SOURCE_SHORT`, unless `archiveSize` is set.
 */
export type Source = Path | Uint8Array | AsyncIterable<Uint8Array>;

/** The settings of an upload. */
export interface UploadOptions {
  /** The archive description: at most 1,024 printable ASCII characters. */
  description?: string;
  /** The part size in bytes: a power of two from 1 MiB to 4 GiB. Default: the smallest that fits, at least 16 MiB. */
  partSize?: Count;
  /** The exact archive size in bytes, which is checked. */
  archiveSize?: Count;
  /** An estimate of the length of a stream in bytes, which selects the part size. */
  expectedSize?: Count;
  /** The ID of an existing upload, to resume it. */
  uploadId?: string;
  /** The path of the journal, from which a new process resumes the upload. */
  journal?: Path;
  /** The bandwidth limit of this upload, in bytes per second; 0 (default): no limit of its own. */
  bandwidthLimit?: Count;
}

/** How to watch and stop an upload. */
export interface RunOptions {
  /**
   * Stops the upload within 250 ms, unless Complete waits for its response (up to 10 s). The promise is rejected with a
   * `GlacierError` with the name `AbortError`, the code `GLACIER_E_CANCELED`, and the reason of the signal as its cause. The
   * upload stays in the vault and can be resumed.
   */
  signal?: AbortSignal;
  /**
   * Receives the progress 4 times a second and at the end. If it throws, the upload stops and rejects with that error. It
   * is not called again. If the archive already exists, as in the last report, the error is ignored.
   */
  onProgress?: (progress: Progress) => void;
}

/** The progress of an upload. Counts only grow, except `partsInFlight` and `workers`. The totals are first `null`. */
export interface Progress {
  /** The archive size; `null` while it is unknown. */
  bytesTotal: number | null;
  /** The bytes in parts that the service acknowledged. With `bytesResumed` it reaches `bytesTotal`. */
  bytesDone: number;
  /** The bytes in parts that the service held before. */
  bytesResumed: number;
  /** The bytes hashed. */
  bytesHashed: number;
  /** The bytes of parts sent, retries included. */
  bytesSent: number;
  /** The number of parts; `null` while it is unknown. */
  partsTotal: number | null;
  /** The number of parts that the service holds. */
  partsDone: number;
  /** The number of parts being sent. */
  partsInFlight: number;
  /** The number of failed attempts that were followed by another. */
  retries: number;
  /** The maximum number of parts in flight at this time. */
  workers: number;
  /** Milliseconds since the upload began to move data. */
  elapsedMs: number;
}

/** An archive that was created. Store the ID: the service has no names. */
export interface Archive {
  /** The archive ID, with which the archive is retrieved and deleted. */
  archiveId: string;
  /** The path of the archive at the service. */
  location: string;
  /** The tree hash of the archive, 64 hexadecimal digits. */
  treeHash: string;
  /** The ID of the upload that created it. */
  uploadId: string;
}

/** A multipart upload in progress in a vault. */
export interface ListedUpload {
  uploadId: string;
  /** The archive description; `null` if there is none. */
  description: string | null;
  created: Date;
  /** The part size in bytes. */
  partSize: number;
}

/** A part that the service holds. */
export interface StoredPart {
  /** Where the part begins in the archive, in bytes. */
  offset: number;
  /** Its length in bytes. */
  length: number;
  /** Its tree hash, 64 hexadecimal digits. */
  treeHash: string;
}

/** The state of an upload. `unknown`: Complete was sent, and its outcome cannot be determined. */
export type UploadState = 'new' | 'initiated' | 'transferring' | 'completing' | 'completed' | 'aborted' | 'unknown';

/** A failed call of the library. */
export class GlacierError extends Error {
  /** The result, such as `GLACIER_E_NOT_FOUND`. The C header describes all of them. */
  readonly code: string;
  /** What failed, on which object, and what to do: one line of English. */
  readonly message: string;
  /** The operation of the service that failed, such as `UploadMultipartPart`. */
  readonly operation: string | null;
  /** The status of the response. */
  readonly httpStatus: number | null;
  /** The error code of the service, such as `ResourceNotFoundException`. */
  readonly serviceCode: string | null;
  /** The service's ID of the request. */
  readonly requestId: string | null;
  /** Whether the same call may succeed later. The library has already retried it. */
  readonly isRetryable: boolean;
  /** Whether the upload is in the vault and can be resumed: by the same call or, for a stream, with a new upload. */
  readonly isResumable: boolean;
  private constructor();
}

/**
 * A client: endpoint, account and credentials, and the memory and bandwidth limits that its uploads share. Uploads keep it
 * alive after `close`.
 */
export class Client implements AsyncDisposable {
  /** Checks the settings. Sends nothing. */
  constructor(options?: ClientOptions);
  /** Uploads a source, and returns the archive. With a journal, the same call resumes after a failure or a crash. */
  upload(vault: string, source: Source, options?: UploadOptions & RunOptions): Promise<Archive>;
  /** Returns a stream whose end creates an archive. A stream that is destroyed before its end creates none. */
  createWriteStream(vault: string, options?: UploadOptions & RunOptions): UploadStream;
  /** Creates an upload, to use its methods. Sends nothing. */
  createUpload(vault: string, options?: UploadOptions): Upload;
  /** Returns all multipart uploads in progress in a vault. The signal also stops other calls of this method at the client. */
  listUploads(vault: string, options?: { signal?: AbortSignal }): Promise<ListedUpload[]>;
  /** Releases the client. Its uploads and lists keep working. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One multipart upload and the archive that it creates. Create it with `Client.createUpload`. */
export class Upload implements AsyncDisposable {
  private constructor();
  /** The name of the vault. */
  readonly vault: string;
  /** The upload ID; `null` until it is known. */
  readonly id: string | null;
  /** The archive ID; `null` until the upload is completed. */
  readonly archiveId: string | null;
  /** The tree hash of the archive; `null` until it is known. */
  readonly treeHash: string | null;
  /** The part size in bytes; `null` until it is known. */
  readonly partSize: number | null;
  readonly state: UploadState;
  /**
   * Uploads the source: initiates or resumes the upload, sends the missing parts, and completes it. After a failure, call
   * it again without a source to resume from a file or bytes. The event loop stays alive meanwhile. Bytes are used until
   * the upload is closed, also after the promise is settled: see `Source`.
   */
  run(source?: Source, options?: RunOptions): Promise<Archive>;
  /** Returns a stream whose end creates the archive. */
  createWriteStream(options?: RunOptions): UploadStream;
  /** Returns the progress. */
  progress(): Progress;
  /** Sets the bandwidth limit of this upload, in bytes per second, also while it runs; 0: no limit of its own. */
  setBandwidthLimit(bytesPerSecond: Count): void;
  /** Stops `run` and streams. The upload stays in the vault. */
  cancel(): void;
  /** Returns the parts that the service holds. */
  listParts(): Promise<StoredPart[]>;
  /**
   * Deletes the upload and its parts at the service, and stops `run` and streams. A call that fails after a lost response
   * may have deleted the upload: `isResumable` is then false. Call `abort` of the same object again.
   */
  abort(): Promise<void>;
  /**
   * Closes the object, and stops its calls and streams. The upload stays in the vault. A call in progress is rejected with
   * the code `GLACIER_E_CANCELED`, unless it was already done; other calls throw a `TypeError`. The journal is released
   * when the last call has ended.
   */
  close(): void;
  /** Closes the object, and waits until its calls have ended and the journal is released. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A stream whose end creates an archive. If it is destroyed, the events `error` and `close` follow after the write in
 * progress has ended: within 250 ms, or up to 10 s while Complete waits for its response. A write that waits for a worker
 * thread ends after it gets one.
 *
 * `cancel`, `close` and `abort` of its upload, and the signal, end a stream with the code `GLACIER_E_CANCELED`, also while
 * it waits for data. If nothing was written and the event `error` has no listener, the stream is destroyed without an error.
 *
 * Do not change a chunk before the callback of its write; this applies to each `Writable`. If a chunk is detached or
 * resized earlier, the write fails with a `TypeError`, or the original bytes are written.
 */
export class UploadStream extends Writable {
  private constructor();
  /** The archive; `null` until the event `finish`. */
  readonly archive: Archive | null;
}

/** How an archive is divided into parts. */
export interface Plan {
  /** The part size in bytes. */
  partSize: number;
  partCount: number;
  /** The number of charged requests without retries. */
  requestCount: number;
  /** The smallest memory limit in bytes with which no part is read twice. */
  memory: number;
}

/** Plans an archive of `size` bytes. */
export function plan(size: Count, options?: { partSize?: Count; concurrency?: Count }): Plan;
/** Returns the tree hash of bytes, 64 hexadecimal digits. */
export function treeHash(data: Uint8Array): string;
/** Returns the tree hash of a file, 64 hexadecimal digits. `threads` 0 (default) uses one thread per core. */
export function treeHashFile(path: Path, options?: { threads?: Count }): Promise<string>;
/** The version of the C library. */
export const version: string;
