'use strict';

const { Writable } = require('node:stream');
const { functions } = require('./native');
const { callAsync } = require('./errors');
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
    this._call('upload_write', chunk, chunk.byteLength).then(() => callback(), callback);
  }

  _writev(chunks, callback) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', callback);
  }

  _final(callback) {
    this._call('upload_finish')
      .then(() => {
        this.archive = this._upload._archive();
      })
      .then(() => callback(), callback);
  }

  _destroy(error, callback) {
    if (!this.archive && this._upload._handle) functions.upload_cancel(this._upload._handle);
    this._watch?.end();
    callback(error);
  }

  async _call(name, ...parameters) {
    try {
      await callAsync(name, this._upload._open(), ...parameters);
      this._watch.check();
    } catch (error) {
      throw this._upload._client._explain(this._watch.explain(error));
    }
  }
}

module.exports = { UploadStream };
