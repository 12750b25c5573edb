import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { freePort } from '../free-port.ts';
import { findTool } from '../tool.ts';
import { until } from '../until.ts';
import type { Scope } from './bench.ts';
import type { Registry } from './registries.ts';

/** distribution v3's `registry`, which `.ci/install-tools` builds, and Debian's `docker-registry` (2.8.2). */
export type Peer = 'registry' | 'docker-registry';

/** All repositories that benches push to; the token of a peer names them. */
const repositories = ['library/image', 'library/large', 'library/pulled'];

/**
 * A peer with its data in files, or undefined where its program is not installed. It records nothing and logs no
 * request; v3 checks the signature of a token at every request, and the older one, which cannot be given a bare key,
 * asks nobody who they are.
 */
export async function startPeer(scope: Scope, peer: Peer): Promise<Registry | undefined> {
  const program = findTool(peer);
  if (program === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-bench-'));
  scope.after(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(directory, 'config.yml');
  const access = peer === 'registry' ? await tokenAccess(directory) : { settings: [], headers: {} };
  const settings = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { cache: { blobdescriptor: inmemory }, filesystem: { rootdirectory: ${directory}/data } }`,
    `http: { addr: "127.0.0.1:${port}" }`,
    ...access.settings,
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const child = spawn(program, ['serve', file], { stdio: 'ignore' });
  scope.after(async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  });
  await until('the peer answers', async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    return fetch(`http://127.0.0.1:${port}/v2/`, { headers: access.headers }).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const { headers } = access;
  return { port, pid: child.pid ?? 0, headers, pullHeaders: async () => headers };
}

/** What v3 needs to know to check tokens, and a token for everything that a bench does. */
async function tokenAccess(directory: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = 'bench';
  const key = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' };
  const file = join(directory, 'keys.json');
  await writeFile(file, JSON.stringify({ keys: [key] }));
  const access = repositories.map((name) => ({
    type: 'repository',
    name,
    actions: ['pull', 'push', 'delete'],
  }));
  const token = await new SignJWT({ access })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid })
    .setIssuer('bench')
    .setSubject('bench')
    .setAudience('bench')
    .setIssuedAt()
    .setNotBefore('-1m')
    .setExpirationTime('1h')
    .setJti('bench')
    .sign(privateKey);
  const asked = `realm: "http://127.0.0.1/token", service: bench, issuer: bench`;
  return {
    settings: [`auth: { token: { ${asked}, jwks: ${file}, signingalgorithms: [ES256] } }`],
    headers: { authorization: `Bearer ${token}` },
  };
}
