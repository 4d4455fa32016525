'use strict';

const { types } = require('node:util');
const { functions } = require('./native');
const { RUN_OPTIONS, bytes, checksOf, count64, options, path, text, wrongType } = require('./arguments');
const { hold } = require('./callbacks');
const { create } = require('./errors');
const { Handle } = require('./handle');
const { Watch, readProgress } = require('./progress');
const { pump } = require('./pump');
const { UploadStream } = require('./stream');

const FOREVER = 0xffffffffffffffffn;
const STATES = ['new', 'initiated', 'transferring', 'completing', 'completed', 'aborted', 'unknown'];
/** The states in which the service has no upload, or may have none. */
const ENDED = ['completed', 'aborted', 'unknown'];

/** The check of each option, and the function that sets it. */
const SETTERS = {
  description: [text, 'upload_set_description'],
  partSize: [count64, 'upload_set_part_size'],
  archiveSize: [count64, 'upload_set_archive_size'],
  expectedSize: [count64, 'upload_set_expected_size'],
  uploadId: [text, 'upload_set_upload_id'],
  journal: [path, 'upload_set_journal'],
  bandwidthLimit: [count64, 'upload_set_bandwidth_limit'],
};
const UPLOAD_OPTIONS = checksOf(SETTERS);

const isBytes = (source) => types.isUint8Array(source);
const isStream = (source) => typeof source?.[Symbol.asyncIterator] === 'function';

function stateOf(handle) { return STATES[functions.upload_state(handle.address)] ?? 'unknown'; }

/** One multipart upload. `index.d.ts` describes its members. */
class Upload {
  constructor(client, vault, given = {}) {
    const name = text('vault', vault);
    const settings = options(given, UPLOAD_OPTIONS);
    this._client = client;
    this._vault = name;
    this._journal = settings.journal;
    this._archiveSize = settings.archiveSize;
    this._handle = new Handle(this, 'upload', create('upload_new', client._open().address, name));
    try {
      for (const [option, [, setter]] of Object.entries(SETTERS)) {
        if (settings[option] !== undefined) this._handle.call(setter, settings[option]);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get vault() { return this._vault; }
  get id() { return functions.upload_id(this._open().address); }
  get archiveId() { return functions.upload_archive_id(this._open().address); }
  get treeHash() { return functions.upload_tree_hash(this._open().address); }
  get partSize() { return Number(functions.upload_part_size(this._open().address)) || null; }
  get state() { return stateOf(this._open()); }

  progress() { return readProgress(this._open()); }

  cancel() { this._open().cancel(); }

  setBandwidthLimit(bytesPerSecond) {
    this._open().call('upload_set_bandwidth_limit', count64('bytesPerSecond', bytesPerSecond));
  }

  async run(source, given = {}) {
    const { signal, onProgress } = options(given, RUN_OPTIONS);
    signal?.throwIfAborted();
    if (isStream(source) && !isBytes(source)) return this._runStream(source, { signal, onProgress });
    if (source !== undefined) this._setSource(source);
    const credentials = this._client._credentials;
    await credentials?.refresh();
    const handle = this._open();
    handle.hold();
    const watch = new Watch(handle, { signal, onProgress }, () => credentials?.refreshInBackground());
    try {
      await this._start();
      // The run has ended. This returns its result at once.
      await handle.callAsync('upload_wait', FOREVER);
      watch.end();
      return this._archive();
    } catch (error) {
      watch.end();
      throw this._client._explain(watch.explain(error));
    } finally {
      handle.release();
    }
  }

  createWriteStream(given = {}) {
    return new UploadStream(this, options(given, RUN_OPTIONS));
  }

  async listParts() {
    await this._client._credentials?.refresh();
    const parts = await this._open().createAsync('upload_list_parts');
    try {
      return Array.from({ length: Number(functions.parts_count(parts)) }, (_, index) => ({
        offset: Number(functions.parts_offset(parts, index)),
        length: Number(functions.parts_length(parts, index)),
        treeHash: functions.parts_tree_hash(parts, index),
      }));
    } finally {
      functions.parts_free(parts);
    }
  }

  async abort() {
    await this._client._credentials?.refresh();
    const handle = this._open();
    await handle.callAsync('upload_abort');
    handle.reportStop();
  }

  close() { this._handle.close(); }

  async [Symbol.asyncDispose]() { await this._handle.closeAndWait(); }

  _open() { return this._handle.open(); }

  /** Returns the ID of the upload that can be resumed, also after `close`; null if there is none or it is unknown. */
  _keptId() {
    const handle = this._handle;
    return handle.isFreed || ENDED.includes(stateOf(handle)) ? null : functions.upload_id(handle.address);
  }

  async _runStream(source, { signal, onProgress }) {
    const handle = this._open();
    handle.hold();
    try {
      const stream = new UploadStream(this, { signal, onProgress });
      await pump(source, stream);
      return stream.archive;
    } finally {
      handle.release();
    }
  }

  _setSource(source) {
    if (typeof source === 'string' || source instanceof URL) {
      this._open().call('upload_set_source_file', path('source', source));
    } else if (isBytes(source)) {
      this._open().call('upload_set_source_memory', ...bytes('source', source));
      this._handle.keep(source);
    } else throw wrongType('source', 'a path, a file URL, a Uint8Array or an async iterable of Uint8Array', source);
  }

  /** Starts the run, and waits until the library no longer needs the callback. */
  _start() {
    return new Promise((resolve, reject) => {
      let failure = null;
      const parameters = hold('done', () => {}, () => (failure ? reject(failure) : resolve()));
      try {
        this._handle.call('upload_start', ...parameters);
      } catch (error) {
        failure = error;
      }
    });
  }

  _archive() {
    const handle = this._handle.address;
    return {
      archiveId: functions.upload_archive_id(handle),
      location: functions.upload_archive_location(handle),
      treeHash: functions.upload_tree_hash(handle),
      uploadId: functions.upload_id(handle),
    };
  }
}

module.exports = { UPLOAD_OPTIONS, Upload };
