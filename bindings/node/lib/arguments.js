'use strict';

// The checks of all values that the library gets. koffi uses a number as the address of a text, cuts a text at a NUL
// character, replaces lone surrogates, and converts every number to an integer. Each function returns the value to pass.

const { types } = require('node:util');
const { fileURLToPath } = require('node:url');
const { quoted } = require('./escape');

/** The maximum number of digits of an integer in a message. */
const DIGITS_MAX = 80;
const LONE_SURROGATE = /\p{Surrogate}/u;
const TypedArray = Object.getPrototypeOf(Uint8Array);
const byteLength = Object.getOwnPropertyDescriptor(TypedArray.prototype, 'byteLength').get;
const { getTime } = Date.prototype;

/** Returns the type of a value, for a message. */
function kind(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Creates an error with a code of Node.js. */
function failure(Type, code, message) {
  return Object.assign(new Type(message), { code });
}

/** Creates the error of a value that has a wrong type. */
function wrongType(name, rule, value) {
  return failure(TypeError, 'ERR_INVALID_ARG_TYPE', `${name} must be ${rule}, not ${kind(value)}`);
}

function invalid(message) { return failure(TypeError, 'ERR_INVALID_ARG_VALUE', message); }

function outOfRange(name, rule, shown) {
  return failure(RangeError, 'ERR_OUT_OF_RANGE', `${name} must be ${rule}, not ${shown}`);
}

function checkCharacters(name, value, shown) {
  if (value.includes('\0')) throw invalid(`${name} must not contain a NUL character${shown}`);
  if (LONE_SURROGATE.test(value)) throw invalid(`${name} must not contain a lone surrogate${shown}`);
  return value;
}

function text(name, value) {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  return checkCharacters(name, value, `: ${quoted(value)}`);
}

/** A text that can contain a key or a password. No message repeats it. */
function secret(name, value) {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  return checkCharacters(name, value, '');
}

/** A path, or the path of a `file:` URL. */
function path(name, value) {
  if (value instanceof URL) return text(name, fileURLToPath(value));
  if (typeof value !== 'string') throw wrongType(name, 'a string or a file URL', value);
  return text(name, value);
}

/** An integer of 32 bits without sign. */
function count32(name, value) { return count(name, value, 0xffffffffn); }

/** An integer of 64 bits without sign. */
function count64(name, value) { return count(name, value, 0xffffffffffffffffn); }

function count(name, value, max) {
  const isNumber = typeof value === 'number';
  if (!isNumber && typeof value !== 'bigint') throw wrongType(name, 'an integer, a number or a bigint', value);
  if (isNumber && !Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < 0 || value > max) throw outOfRange(name, `an integer from 0 to ${max}`, shownInteger(value));
  // A larger number can be the result of rounding.
  if (isNumber && !Number.isSafeInteger(value)) throw outOfRange(name, 'a safe integer or a bigint', value);
  return value;
}

/** Returns an integer for a message. A bigint can have any number of digits. */
function shownInteger(value) {
  const digits = String(value);
  return digits.length > DIGITS_MAX ? `${digits.slice(0, DIGITS_MAX)}...` : digits;
}

/** Returns the number of bytes of a Uint8Array, also if a property hides it. 0: its memory is detached. */
function byteLengthOf(value) { return byteLength.call(value); }

/** Bytes. Returns them and their length, also if a property hides the length. */
function bytes(name, value) {
  if (!types.isUint8Array(value)) throw wrongType(name, 'a Uint8Array', value);
  return [value, byteLengthOf(value)];
}

/** A time. Returns milliseconds since 1970-01-01 UTC, at least 1 second: the library uses 0 for "never". */
function time(name, value) {
  if (!types.isDate(value)) throw wrongType(name, 'a Date', value);
  const milliseconds = getTime.call(value);
  if (milliseconds >= 1000) return milliseconds;
  const shown = Number.isNaN(milliseconds) ? 'an invalid date' : new Date(milliseconds).toISOString();
  throw outOfRange(name, 'a time after 1970-01-01', shown);
}

function callback(name, value) {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value);
  return value;
}

/** An `AbortSignal`, also of a package. */
function abortSignal(name, value) {
  if (typeof value?.addEventListener !== 'function' || typeof value.throwIfAborted !== 'function') {
    throw wrongType(name, 'an AbortSignal', value);
  }
  return value;
}

/** An object with properties. */
function object(name, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'an object', value);
  return value;
}

/**
 * The options of a function. `checks` has the check of each option. Returns the options that are not undefined. An unknown
 * option is an error: a misspelled option would be ignored.
 */
function options(value, checks) {
  const names = Object.keys(checks);
  const given = object('options', value);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(`unknown option ${quoted(unknown)}: use one of ${names.join(', ')}`);
  const checked = {};
  for (const name of names) {
    const option = given[name];
    if (option !== undefined) checked[name] = checks[name](name, option);
  }
  return checked;
}

/** Returns the checks of a table that has a check and a setter for each option. */
function checksOf(table) {
  return Object.fromEntries(Object.entries(table).map(([name, [check]]) => [name, check]));
}

/** The options of a function that watches and stops a call. */
const RUN_OPTIONS = { signal: abortSignal, onProgress: callback };

module.exports = {
  RUN_OPTIONS,
  abortSignal,
  byteLengthOf,
  bytes,
  callback,
  checksOf,
  count32,
  count64,
  invalid,
  object,
  options,
  path,
  secret,
  text,
  time,
  wrongType,
};
