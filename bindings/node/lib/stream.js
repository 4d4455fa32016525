'use strict';

const { Writable } = require('node:stream');
const { bytes } = require('./arguments');
const { Watch } = require('./progress');

/**
 * A stream whose end creates an archive. A stream that is destroyed before its end creates none: the multipart upload
 * stays in the vault. Writes block a worker thread while the library's memory is full, never the event loop.
 */
class UploadStream extends Writable {
  constructor(upload, { signal, onProgress }) {
    super({ decodeStrings: true, highWaterMark: 1 << 20 });
    this._upload = upload;
    this._options = { signal, onProgress };
    this._watch = null;
    this._pending = null;
    this.archive = null;
  }

  _construct(callback) {
    const credentials = this._upload._client._credentials;
    Promise.resolve(credentials?.refresh())
      .then(() => {
        this._watch = new Watch(this._upload._open(), this._options, () => credentials?.refreshInBackground());
      })
      .then(() => callback(), callback);
  }

  _write(chunk, _encoding, callback) {
    this._call(callback, 'upload_write', chunk);
  }

  _writev(chunks, callback) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', callback);
  }

  _final(callback) {
    this._call(callback, 'upload_finish');
  }

  _destroy(error, callback) {
    if (!this.archive) this._upload._handle.cancel();
    this._watch?.end();
    // A canceled call still holds the journal until it returns.
    if (this._pending) this._pending.then(() => callback(error));
    else callback(error);
  }

  _call(callback, name, chunk) {
    this._pending = this._work(name, chunk)
      .finally(() => { this._pending = null; })
      .then(() => callback(), callback);
  }

  async _work(name, chunk) {
    const handle = this._upload._handle;
    try {
      const parameters = chunk === undefined ? [] : bytes('chunk', chunk);
      await handle.open().callAsync(name, ...parameters);
      if (name === 'upload_finish') this.archive = this._upload._archive();
      this._watch.check();
    } catch (error) {
      throw this._upload._client._explain(this._watch.explain(error));
    }
  }
}

module.exports = { UploadStream };
