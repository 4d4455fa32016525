'use strict';

const { functions } = require('./native');
const {
  RUN_OPTIONS, abortSignal, callback, checksOf, count32, count64, invalid, options, path, secret, text,
} = require('./arguments');
const { hold } = require('./callbacks');
const { call, create, explainAbort } = require('./errors');
const { quoted } = require('./escape');
const { Handle } = require('./handle');
const { CredentialsCache, keys } = require('./credentials');
const { UPLOAD_OPTIONS, Upload } = require('./upload');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug'];
/** The check of each option, and the function that sets it. */
const SETTERS = {
  // They can contain a user name and a password, which the library rejects in an endpoint.
  endpoint: [secret, 'config_set_endpoint'],
  proxy: [secret, 'config_set_proxy'],
  region: [text, 'config_set_region'],
  accountId: [text, 'config_set_account_id'],
  profile: [text, 'config_set_profile'],
  caFile: [path, 'config_set_ca_file'],
  userAgent: [text, 'config_set_user_agent'],
  concurrency: [count32, 'config_set_concurrency'],
  maxAttempts: [count32, 'config_set_max_attempts'],
  memoryLimit: [count64, 'config_set_memory_limit'],
  bandwidthLimit: [count64, 'config_set_bandwidth_limit'],
  connectTimeoutMs: [count64, 'config_set_connect_timeout_ms'],
  stallTimeoutMs: [count64, 'config_set_stall_timeout_ms'],
  giveUpAfterMs: [count64, 'config_set_give_up_after_ms'],
};
const CLIENT_OPTIONS = {
  ...checksOf(SETTERS),
  credentials: (name, value) => (typeof value === 'function' ? value : keys(name, value)),
  log: callback,
  logLevel: level,
};

/** A log level. Returns its number. */
function level(name, value) {
  const number = LEVELS.indexOf(text(name, value));
  if (number < 0) throw invalid(`unknown log level ${quoted(value)}: use one of ${LEVELS.join(', ')}`);
  return number;
}

/** A client of the service. `index.d.ts` describes its members. */
class Client {
  constructor(given = {}) {
    this._credentials = null;
    const settings = options(given, CLIENT_OPTIONS);
    const config = functions.config_new();
    if (!config) throw new Error('out of memory');
    try {
      this._configure(config, settings);
      this._handle = new Handle(this, 'client', create('client_new', config));
    } finally {
      functions.config_free(config);
    }
  }

  createUpload(vault, given) { return new Upload(this, vault, given); }

  async upload(vault, source, given = {}) {
    const { signal, onProgress, ...settings } = options(given, { ...UPLOAD_OPTIONS, ...RUN_OPTIONS });
    const upload = this.createUpload(vault, settings);
    try {
      return await upload.run(source, { signal, onProgress });
    } finally {
      upload.close();
    }
  }

  createWriteStream(vault, given = {}) {
    const { signal, onProgress, ...settings } = options(given, { ...UPLOAD_OPTIONS, ...RUN_OPTIONS });
    const upload = this.createUpload(vault, settings);
    const stream = upload.createWriteStream({ signal, onProgress });
    stream.once('close', () => upload.close());
    return stream;
  }

  async listUploads(vault, given = {}) {
    const name = text('vault', vault);
    const { signal } = options(given, { signal: abortSignal });
    signal?.throwIfAborted();
    await this._credentials?.refresh();
    signal?.throwIfAborted();
    const handle = this._open();
    const cancel = () => handle.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    let uploads;
    try {
      uploads = await handle.createAsync('client_list_uploads', name);
    } catch (error) {
      throw this._explain(explainAbort(error, signal));
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    try {
      return Array.from({ length: Number(functions.uploads_count(uploads)) }, (_, index) => ({
        uploadId: functions.uploads_id(uploads, index),
        description: functions.uploads_description(uploads, index),
        created: new Date(Number(functions.uploads_created_unix(uploads, index)) * 1000),
        partSize: Number(functions.uploads_part_size(uploads, index)),
      }));
    } finally {
      functions.uploads_free(uploads);
    }
  }

  close() { this._handle.close(); }

  async [Symbol.asyncDispose]() { this.close(); }

  _open() { return this._handle.open(); }

  /** Adds the error of the credentials function, which the library cannot know, as the cause. */
  _explain(error) {
    const failure = this._credentials?.takeFailure();
    if (failure && ['GLACIER_E_CALLBACK', 'GLACIER_E_CREDENTIALS'].includes(error.code)) error.cause = failure;
    return error;
  }

  _configure(config, settings) {
    for (const [name, [, setter]] of Object.entries(SETTERS)) {
      if (settings[name] !== undefined) call(setter, config, settings[name]);
    }
    const { credentials, log, logLevel = LEVELS.indexOf('warn') } = settings;
    if (typeof credentials === 'function') {
      this._credentials = new CredentialsCache(credentials);
      this._credentials.install(config);
    } else if (credentials) {
      const { id, secret: key, token } = credentials;
      call('config_set_credentials', config, id, key, token);
    }
    if (log) {
      const deliver = (_userData, lineLevel, message) => {
        try {
          log(LEVELS[lineLevel], message);
        } catch (error) {
          // An exception must not leave the callback. It is thrown on its own.
          setImmediate(() => { throw error; });
        }
      };
      call('config_set_log', config, logLevel, ...hold('log', deliver));
    }
  }
}

module.exports = { Client };
