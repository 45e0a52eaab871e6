// The contract, read from the proto files at start: no generated code.
//
// JavaScript's numbers end at 2^53, so 64-bit integers arrive as strings; the
// code makes BigInts of revisions where it compares them. Enums arrive by name,
// except values newer than these proto files, which arrive as numbers. `defaults`
// fills absent scalars, but not `optional` ones: those are undefined, or null.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import loader from '@grpc/proto-loader';

const here = dirname(fileURLToPath(import.meta.url));

// Proto files that are not the contract: health checks and rich errors.
const OWN_PROTOS = join(here, '..', 'proto');

// The contract itself. A vendor copies the folder "proto" of the core's repository
// and sets JACKFIELD_PROTO; inside that repository it lies a few folders up.
export const CONTRACT_PROTOS = process.env.JACKFIELD_PROTO ?? join(here, '..', '..', '..', '..', 'proto');

export const CONTRACT_FILES = ['driver', 'mechanism', 'reconcile', 'event'].map(
  (name) => `jackfield/driver/v1/${name}.proto`,
);

if (!existsSync(join(CONTRACT_PROTOS, CONTRACT_FILES[0]))) {
  throw new Error(`no proto files of the contract in ${CONTRACT_PROTOS}; set JACKFIELD_PROTO`);
}

// All services and messages by full name, such as "jackfield.driver.v1.Change".
export const definitions = loader.loadSync(
  [...CONTRACT_FILES, 'grpc/health/v1/health.proto', 'google/rpc/details.proto'],
  { includeDirs: [CONTRACT_PROTOS, OWN_PROTOS], longs: String, enums: String, defaults: true, oneofs: true },
);

// Return the definition of a service, as `server.addService` wants it.
export function serviceOf(name) {
  return definitions[name];
}

// Return the bytes of a message of the type with this full name.
export function encode(type, value) {
  return definitions[type].serialize(value);
}

// Write seconds as google.protobuf.Duration.
export function duration(seconds) {
  const whole = Math.floor(seconds);
  return { seconds: String(whole), nanos: Math.round((seconds - whole) * 1e9) };
}

// Read a google.protobuf.Duration as seconds; absent means 0.
export function secondsOf(value) {
  return value ? Number(value.seconds) + value.nanos / 1e9 : 0;
}

// Write the present moment as google.protobuf.Timestamp.
export function now() {
  const milliseconds = Date.now();
  return { seconds: String(Math.floor(milliseconds / 1000)), nanos: (milliseconds % 1000) * 1e6 };
}
