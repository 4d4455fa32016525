'use strict';

const { object, secret, time } = require('./arguments');
const { call } = require('./errors');
const { hold } = require('./callbacks');

const CONTINUE = 1;
const STOP = 0;
/**
 * The function is called again when the credentials have less than this left, in milliseconds, or half of their life if
 * that is shorter.
 */
const REFRESH_BEFORE = 10 * 60 * 1000;

/**
 * Checks credentials. Returns them as the library needs them. `expires` is in milliseconds since 1970-01-01 UTC. Ignores
 * other properties: credential providers add some of their own.
 */
function keys(name, value) {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = object(name, value);
  return {
    id: secret('accessKeyId', accessKeyId),
    secret: secret('secretAccessKey', secretAccessKey),
    token: isGiven(sessionToken) ? secret('sessionToken', sessionToken) : null,
    expires: isGiven(expiration) ? time('expiration', expiration) : null,
  };
}

/** Documents of credentials have null for a property that they do not have. */
function isGiven(property) { return property !== undefined && property !== null; }

/**
 * The credentials that a function returns, possibly as a promise. The library asks for credentials inside a callback,
 * which cannot wait for a promise. So this class asks the function before an upload starts, and again in the background
 * while one runs. The library gets the latest credentials.
 */
class CredentialsCache {
  constructor(source) {
    this._source = source;
    this._latest = null;
    this._refreshAt = -Infinity;
    this._pending = null;
    this._failure = null;
  }

  /** Sets the provider of a config. */
  install(config) {
    const provide = (userData, out) => {
      try {
        if (!this._latest) return STOP;
        const { id, secret: key, token, expires } = this._latest;
        call('credentials_set', out, id, key, token, expires === null ? 0 : Math.floor(expires / 1000));
        return CONTINUE;
      } catch (error) {
        this._failure = error;
        return STOP;
      }
    };
    call('config_set_credentials_provider', config, ...hold('credentials', provide));
  }

  /** Asks the function if there are no credentials, or if they expire soon. */
  async refresh() {
    if (Date.now() < this._refreshAt) return;
    this._pending ??= Promise.resolve()
      .then(() => this._source())
      .then((credentials) => {
        this._latest = keys('the result of the credentials function', credentials);
        this._refreshAt = refreshTime(this._latest.expires);
      })
      .finally(() => {
        this._pending = null;
      });
    await this._pending;
  }

  /** As `refresh`, while an upload runs: the old credentials stay in use if the function fails. */
  refreshInBackground() {
    this.refresh().catch((error) => {
      this._failure = error;
    });
  }

  /** Returns the last error of the function, and forgets it. */
  takeFailure() {
    const failure = this._failure;
    this._failure = null;
    return failure;
  }
}

function refreshTime(expires) {
  if (expires === null) return Infinity;
  return expires - Math.min(REFRESH_BEFORE, (expires - Date.now()) / 2);
}

module.exports = { CredentialsCache, keys };
