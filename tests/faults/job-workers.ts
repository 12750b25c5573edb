import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import pino from 'pino';
import { openFoundation } from '../../bin/compose.ts';
import { idAllocator, idsAllocator } from '../../commands/allocate-id.ts';
import { recorder } from '../../commands/record.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { loadConfiguration } from '../../infra/configuration/load.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type ExecutionsDatabase, executions } from '../../projections/executions/projection.ts';
import { environmentFor, type Scope, type TestServer } from '../server.ts';

const script = new URL('jobs-worker.ts', import.meta.url).pathname;
const program = new URL('../../bin/shiplog.ts', import.meta.url).pathname;

/** A worker in a process of its own, with the handlers of the tests, on the data of a server that runs. */
export const startWorker = (t: Scope, server: TestServer, environment: NodeJS.ProcessEnv = {}) =>
  startProcess(t, server, [script], environment);

/** `shiplog worker`, as an operator starts it. */
export const startCommand = (t: Scope, server: TestServer, environment: NodeJS.ProcessEnv = {}) =>
  startProcess(t, server, [program, 'worker'], environment);

function startProcess(
  t: Scope,
  server: TestServer,
  command: readonly string[],
  environment: NodeJS.ProcessEnv,
) {
  const child: ChildProcess = spawn(process.execPath, command, {
    env: { ...environmentFor(server.dataDirectory), ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isReady = false;
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    isReady ||= text.includes('ready to work');
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (hasEnded()) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  t.after(() => stop('SIGKILL'));
  return { stop, hasEnded, isReady: () => isReady, output: () => output };
}

/** What commands about jobs are made with, and the view of them, beside a server that runs. */
export async function besideServer(t: Scope, server: TestServer) {
  const configuration = await loadConfiguration({ environment: { SHIPLOG_DATA: server.dataDirectory } });
  const logger = pino({ level: 'silent' });
  const { log, views, close } = await openFoundation({ configuration, logger, as: 'worker' });
  t.after(close);
  const ids = { log, catalogue, newEventId };
  return {
    log,
    database: views,
    inExecutions: viewOf<ExecutionsDatabase>(views.kysely, executions),
    ports: {
      record: recorder({ log, catalogue, newEventId }),
      allocateId: idAllocator(ids),
      allocateIds: idsAllocator(ids),
      newJobId: randomUUID,
    },
  };
}
