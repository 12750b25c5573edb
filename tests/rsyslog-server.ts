import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import type { Scope } from './server.ts';
import { until } from './until.ts';

export interface RsyslogServer {
  readonly port: number;
  /** The messages that it has written, as it has received them. */
  messages(): Promise<readonly Buffer[]>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A real rsyslogd on a free port of 127.0.0.1, over TLS where a certificate is given; what it has read it has written. */
export async function startRsyslog(
  t: Scope,
  program: string,
  tls?: { readonly certificate: string; readonly privateKey: string },
): Promise<RsyslogServer> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-rsyslog-'));
  const port = await freePort();
  const output = join(folder, 'received');
  const driver = tls ? ` StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"` : '';
  const pem = tls
    ? `global(DefaultNetstreamDriverCAFile="${tls.certificate}" DefaultNetstreamDriverCertFile="${tls.certificate}"
        DefaultNetstreamDriverKeyFile="${tls.privateKey}")`
    : '';
  const lines = [
    `global(workDirectory="${folder}" maxMessageSize="64k")`,
    pem,
    // No queue, which would be lost when it is killed.
    'main_queue(queue.type="Direct")',
    `module(load="imtcp"${driver})`,
    `input(type="imtcp" address="127.0.0.1" port="${port}")`,
    'template(name="received" type="string" string="%rawmsg%\\n")',
    `action(type="omfile" file="${output}" template="received")`,
  ];
  await writeFile(join(folder, 'rsyslog.conf'), `${lines.join('\n')}\n`);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(program, ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let said = '';
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk) => {
        said = (said + chunk).slice(-2000);
      });
    await until('rsyslogd listens', async () => {
      if (started.exitCode !== null) throw new Error(`rsyslogd ended: ${said}`);
      const socket = connect(port, '127.0.0.1');
      const opened = await Promise.race([
        once(socket, 'connect').then(
          () => true,
          () => false,
        ),
        once(socket, 'close').then(
          () => false,
          () => false,
        ),
      ]);
      socket.destroy();
      return opened;
    });
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    // It does not start where it believes to run already.
    await rm(join(folder, 'pid'), { force: true });
  }

  t.after(async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  });
  await start();
  return {
    port,
    async messages() {
      const bytes = await readFile(output).catch(() => Buffer.alloc(0));
      const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1).toString('latin1');
      return whole
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => Buffer.from(line, 'latin1'));
    },
    kill,
    start,
  };
}
