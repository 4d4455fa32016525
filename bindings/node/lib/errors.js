'use strict';

const { functions } = require('./native');

/** The error of a call of the library. `index.d.ts` describes its properties. */
class GlacierError extends Error {
  constructor(details, options) {
    super(details.message, options);
    this.name = 'GlacierError';
    this.code = details.code;
    this.operation = details.operation;
    this.httpStatus = details.httpStatus;
    this.serviceCode = details.serviceCode;
    this.requestId = details.requestId;
    this.isRetryable = details.isRetryable;
    this.isResumable = details.isResumable;
  }
}

/** Copies an error of the library, and frees it. */
function takeError(error) {
  const copy = new GlacierError({
    message: functions.error_message(error),
    code: functions.result_name(functions.error_code(error)),
    operation: functions.error_operation(error),
    httpStatus: functions.error_http_status(error) || null,
    serviceCode: functions.error_service_code(error),
    requestId: functions.error_request_id(error),
    isRetryable: functions.error_is_retryable(error) === 1,
    isResumable: functions.error_is_resumable(error) === 1,
  });
  functions.error_free(error);
  return copy;
}

/**
 * Creates an error that this package detects, not the library. `uploadId` is the ID of the upload that stays in the vault,
 * or null.
 */
function localError(code, message, uploadId = null) {
  const kept = uploadId === null ? '' : `; the upload is kept and can be resumed: upload ID ${uploadId}`;
  return new GlacierError({
    message: message + kept,
    code,
    operation: null,
    httpStatus: null,
    serviceCode: null,
    requestId: null,
    isRetryable: false,
    isResumable: uploadId !== null,
  });
}

/** Makes the error of a call that a signal canceled an AbortError. Leaves every other error unchanged. */
function explainAbort(error, signal) {
  if (signal?.aborted && error.code === 'GLACIER_E_CANCELED') {
    error.name = 'AbortError';
    error.cause = signal.reason;
  }
  return error;
}

/** Calls a function whose last parameter is the error. Throws its error. */
function call(name, ...parameters) {
  const err = [null];
  if (functions[name](...parameters, err) !== 0) throw takeError(err[0]);
}

/** As `call`, for a function that stores a handle in the parameter before the error. Returns the handle. */
function create(name, ...parameters) {
  const out = [null];
  call(name, ...parameters, out);
  return out[0];
}

/** As `call`, on a worker thread. For a function of a client or upload, use `Handle.callAsync`. */
function callAsync(name, ...parameters) {
  return new Promise((resolve, reject) => {
    const err = [null];
    functions[name].async(...parameters, err, (failure, result) => {
      if (failure) reject(failure);
      else if (result !== 0) reject(takeError(err[0]));
      else resolve();
    });
  });
}

module.exports = { GlacierError, call, callAsync, create, explainAbort, localError };
