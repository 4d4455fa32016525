'use strict';

const { koffi, Progress } = require('./native');
const { explainAbort } = require('./errors');

/** The interval of progress reports, in milliseconds. */
const INTERVAL = 250;
const UNKNOWN = 0xffffffffffffffffn;
const known = (count) => (BigInt(count) === UNKNOWN ? null : Number(count));

/** Returns the progress of an upload. */
function readProgress(handle) {
  const out = {};
  handle.call('upload_progress', out, koffi.sizeof(Progress));
  return {
    bytesTotal: known(out.bytes_total),
    bytesDone: Number(out.bytes_done),
    bytesResumed: Number(out.bytes_resumed),
    bytesHashed: Number(out.bytes_hashed),
    bytesSent: Number(out.bytes_sent),
    partsTotal: known(out.parts_total),
    partsDone: Number(out.parts_done),
    partsInFlight: Number(out.parts_in_flight),
    retries: Number(out.retries),
    workers: Number(out.workers),
    elapsedMs: Number(out.elapsed_ms),
  };
}

/**
 * Watches an upload while it works: reports the progress, and cancels the upload if the signal is aborted or the progress
 * callback throws. Its timer keeps the event loop alive, and ends with the handle.
 */
class Watch {
  constructor(handle, { signal, onProgress }, everyInterval = () => {}) {
    this._handle = handle;
    this._signal = signal;
    this._onProgress = onProgress;
    this._everyInterval = everyInterval;
    this._failure = null;
    this._cancel = () => handle.cancel();
    this._timer = setInterval(() => this._report(), INTERVAL);
    signal?.addEventListener('abort', this._cancel, { once: true });
    if (signal?.aborted) this._cancel();
  }

  /** Reports the progress for the last time, and stops watching. */
  end() {
    this._report();
    this._stop();
  }

  _stop() {
    clearInterval(this._timer);
    this._signal?.removeEventListener('abort', this._cancel);
  }

  /** Returns the error to throw instead of an error of the library: what the callback threw, or an AbortError. */
  explain(error) {
    return this._failure ? this._failure.error : explainAbort(error, this._signal);
  }

  /** Throws what the progress callback threw, if the upload ended without an error. */
  check() {
    if (this._failure) throw this._failure.error;
  }

  _report() {
    if (this._handle.isFreed) {
      this._stop();
      return;
    }
    this._everyInterval();
    if (!this._onProgress || this._failure) return;
    try {
      this._onProgress(readProgress(this._handle));
    } catch (error) {
      this._failure = { error };
      this._handle.cancel();
    }
  }
}

module.exports = { Watch, readProgress };
