'use strict';

const { functions } = require('./lib/native');
const { GlacierError } = require('./lib/errors');
const { Client } = require('./lib/client');
const { Upload } = require('./lib/upload');
const { plan, treeHash, treeHashFile } = require('./lib/hashing');

/** The version of the C library. */
const version = functions.version();

module.exports = { Client, GlacierError, Upload, plan, treeHash, treeHashFile, version };
