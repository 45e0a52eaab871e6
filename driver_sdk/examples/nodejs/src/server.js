// The process as a server: an address, the services on it, and an orderly end.

import { existsSync, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import reflection from '@grpc/reflection';
import { definitions, serviceOf } from './contract.js';

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

// Return a server with these services: full name to handlers by method name.
export function serverOf(services) {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  for (const [name, handlers] of Object.entries(services)) server.addService(serviceOf(name), handlers);
  new reflection.ReflectionService(definitions, { services: Object.keys(services) }).addToServer(server);
  return server;
}

// Listen on "unix:///path" or "host:port". Throws if somebody serves there already.
export async function listen(server, address) {
  const path = socketPath(address);
  if (path) await removeStaleSocket(path);
  await new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  return path ? statSync(path).ino : undefined;
}

// End all connections; calls that still run are cut off after a second. A socket that a
// successor has put in the place of ours, which `inode` names, is left alone.
export async function close(server, address, inode) {
  const timer = setTimeout(() => server.forceShutdown(), 1000);
  const path = socketPath(address);
  const isOurs = path && existsSync(path) && statSync(path).ino === inode;
  await new Promise((resolve) => server.tryShutdown(resolve));
  clearTimeout(timer);
  if (isOurs && existsSync(path) && statSync(path).ino === inode) unlinkSync(path);
}

function socketPath(address) {
  return address.startsWith('unix:') ? address.replace(/^unix:(\/\/)?/, '') : undefined;
}

// A process that was killed leaves its socket behind; one that nobody answers on may go.
async function removeStaleSocket(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isSocket()) throw new Error(`${path} exists and is not a socket`);
  if (await answers(path)) throw new Error(`another process serves on ${path}`);
  unlinkSync(path);
}

function answers(path) {
  return new Promise((resolve) => {
    const client = connect(path);
    client.once('connect', () => resolve(true) ?? client.destroy());
    client.once('error', () => resolve(false));
  });
}
