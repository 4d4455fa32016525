'use strict';

const { Writable } = require('node:stream');
const { byteLengthOf, invalid } = require('./arguments');
const { explainAbort, localError } = require('./errors');
const { quoted } = require('./escape');
const { FileLength, readsJournal } = require('./file_source');
const { Watch } = require('./progress');

/** The size of the block in which chunks are copied, in bytes. */
const BLOCK = 1 << 20;

function lengthChanged() {
  return invalid('a chunk of the stream must not be detached or resized before it is written');
}

/**
 * A stream whose end creates an archive. A stream that is destroyed before its end creates none: the multipart upload
 * stays in the vault. Writes block a worker thread while the library's memory is full, never the event loop.
 */
class UploadStream extends Writable {
  constructor(upload, { signal, onProgress }) {
    super({ decodeStrings: true, highWaterMark: BLOCK });
    this._upload = upload;
    this._options = { signal, onProgress };
    this._watch = null;
    this._pending = null;
    this._isStopped = false;
    /** Whether the library has a stream that has not failed. */
    this._isOpen = false;
    this._block = null;
    this._files = new Map();
    this.archive = null;
    // The handle must not keep a forgotten stream and its upload.
    const forgettable = new WeakRef(this);
    this._forget = upload._handle.onStop(() => forgettable.deref()?._stop());
    this.on('pipe', (source) => {
      try {
        this.observe(source);
      } catch (error) {
        this.destroy(error);
      }
    });
    // The program may read only the beginning of a file.
    this.on('unpipe', (source) => { if (!source.readableEnded) this._files.delete(source); });
  }

  /** Observes the source of the stream. Throws if it is the journal. The end of the stream checks its length. */
  observe(source) {
    const { _journal: journal, _archiveSize: archiveSize } = this._upload;
    if (readsJournal(source, journal)) {
      const message = `the journal ${quoted(journal)} is the source file: set another path for the journal`;
      throw localError('GLACIER_E_INVALID', message);
    }
    // The library checks an archive size.
    if (archiveSize === undefined) this._files.set(source, new FileLength(source));
  }

  _construct(callback) {
    const credentials = this._upload._client._credentials;
    Promise.resolve(credentials?.refresh())
      .then(() => {
        if (this.destroyed) return;
        this._watch = new Watch(this._upload._open(), this._options, () => credentials?.refreshInBackground());
      })
      // A stream that was destroyed meanwhile has its error.
      .then(() => callback(), (error) => callback(this.destroyed ? null : error));
  }

  _write(chunk, _encoding, callback) {
    this._call(callback, () => this._send([chunk]));
  }

  _writev(chunks, callback) {
    this._call(callback, () => this._send(chunks.map(({ chunk }) => chunk)));
  }

  _final(callback) {
    this._call(callback, () => this._finish());
  }

  _destroy(error, callback) {
    this._forget();
    // If there is no stream to stop, a cancel stops the next call of the upload.
    if (this._isOpen && !this.archive && !this._isStopped) this._upload._handle.cancel();
    this._watch?.end();
    // A canceled call still holds the journal until it returns.
    if (this._pending) this._pending.then(() => callback(error));
    else callback(error);
  }

  _call(callback, work) {
    this._pending = this._work(work)
      .finally(() => { this._pending = null; })
      .then(() => callback(), callback);
  }

  async _work(work) {
    try {
      await work();
      // The archive exists: neither a callback nor a cancel can prevent it.
      if (this.archive) return;
      this._watch.check();
      if (this._isStopped) throw this._canceled();
    } catch (error) {
      throw this._explain(error);
    }
  }

  /**
   * Sends chunks. The library reads on another thread: it gets a copy, because the memory of a chunk that the program
   * detaches or resizes is freed.
   */
  async _send(chunks) {
    const lengths = chunks.map(byteLengthOf);
    // The stream counted the bytes when the program wrote them. The call has all of them.
    if (lengths.reduce((sum, length) => sum + length, 0) !== this.writableLength) throw lengthChanged();
    this._block ??= Buffer.allocUnsafeSlow(BLOCK);
    let used = 0;
    for (const [index, chunk] of chunks.entries()) {
      for (let offset = 0; offset < lengths[index];) {
        if (byteLengthOf(chunk) !== lengths[index]) throw lengthChanged();
        const copied = chunk.copy(this._block, used, offset);
        offset += copied;
        used += copied;
        if (used === BLOCK) {
          await this._callLibrary('upload_write', this._block, used);
          used = 0;
        }
      }
    }
    if (used > 0) await this._callLibrary('upload_write', this._block, used);
  }

  async _finish() {
    for (const file of this._files.values()) {
      const { missing } = file;
      if (!missing) continue;
      const ended = `the source ended after ${missing.bytesRead} of the ${missing.expected} bytes of the file`;
      const advice = 'read it again from its first byte, or set archiveSize if it is complete';
      const message = `${ended} ${quoted(file.path)}: ${advice}`;
      throw localError('GLACIER_E_SOURCE_SHORT', message, this._upload._keptId());
    }
    await this._callLibrary('upload_finish');
    this.archive = this._upload._archive();
  }

  async _callLibrary(name, ...parameters) {
    // An upload that was closed rejects its calls with another error.
    if (this._isStopped) throw this._canceled();
    const handle = this._upload._open();
    this._isOpen = true;
    try {
      await handle.callAsync(name, ...parameters);
    } catch (error) {
      this._isOpen = false;
      throw error;
    }
  }

  /**
   * Ends a stream that waits for data or credentials. A call in progress reports the cancel, or checks for it when it has
   * returned.
   */
  _stop() {
    this._isStopped = true;
    if (this._pending || this.archive || this.destroyed) return;
    const error = this._explain(this._canceled());
    // The program stopped the upload. An error without a listener would end the process.
    const isExpected = error.code === 'GLACIER_E_CANCELED' && this._isUnused && this.listenerCount('error') === 0;
    this.destroy(isExpected ? null : error);
  }

  /** Whether nothing was written. `pipe` and `pipeline` listen for errors. */
  get _isUnused() { return this._block === null && this.writableLength === 0 && !this.writableEnded; }

  _canceled() { return localError('GLACIER_E_CANCELED', 'canceled', this._upload._keptId()); }

  _explain(error) {
    const explained = this._watch ? this._watch.explain(error) : explainAbort(error, this._options.signal);
    return this._upload._client._explain(explained);
  }
}

module.exports = { UploadStream };
