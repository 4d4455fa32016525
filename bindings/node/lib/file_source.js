'use strict';

// Streams that read a file. The library cannot know the file: it gets only bytes.

const { ReadStream, fstatSync, statSync } = require('node:fs');

function isSame(one, other) { return one.dev === other.dev && one.ino === other.ino; }

/** Returns whether a stream reads the file of the journal. */
function readsJournal(stream, journal) {
  if (journal === undefined) return false;
  try {
    const bigint = true;
    const read = typeof stream.fd === 'number' ? fstatSync(stream.fd, { bigint }) : statSync(stream.path, { bigint });
    return isSame(read, statSync(journal, { bigint }));
  } catch {
    return false;
  }
}

/**
 * The number of bytes that a stream of `fs` must read: those that its file has when the stream is observed. Unknown for
 * other streams, and for a stream of an open descriptor, whose position is unknown.
 */
class FileLength {
  constructor(stream) {
    this._stream = stream;
    this._status = null;
    this._isOpen = false;
    if (!(stream instanceof ReadStream) || stream.path === undefined) return;
    try {
      this._status = statSync(stream.path);
    } catch {
      return;
    }
    if (typeof stream.fd === 'number') this._open(stream.fd);
    else stream.once('open', (descriptor) => this._open(descriptor));
  }

  /** Returns the numbers of bytes read and expected, if fewer were read; otherwise null. */
  get missing() {
    if (!this._isOpen) return null;
    const { bytesRead, start = 0, end = Infinity } = this._stream;
    const expected = Math.min(this._status.size, end + 1) - start;
    return bytesRead < expected ? { bytesRead, expected } : null;
  }

  get path() { return String(this._stream.path); }

  _open(descriptor) {
    try {
      // With the option `fs`, the stream may read no file of the system.
      this._isOpen = this._status.isFile() && isSame(fstatSync(descriptor), this._status);
    } catch {
      // It is no descriptor of the system.
    }
  }
}

module.exports = { FileLength, readsJournal };
