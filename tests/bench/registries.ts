import { startServer } from '../server.ts';
import { type Figure, ratio, type Scope } from './bench.ts';
import { type Peer, startPeer } from './peers.ts';

/** A registry in a process of its own, with its data in a temporary folder. */
export interface Registry {
  readonly port: number;
  /** Of the process that answers; what it started is below it. */
  readonly pid: number;
  /** Headers that every request carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those of who pulls: with a token, where the registry gives tokens. */
  pullHeaders(repository: string): Promise<Readonly<Record<string, string>>>;
}

const service = 'harbor-registry';

export async function startShiplog(scope: Scope): Promise<Registry> {
  const server = await startServer(scope, { environment: { SHIPLOG_LOG_LEVEL: 'info' } });
  const credentials = Buffer.from(`admin:${server.password}`).toString('base64');
  async function pullHeaders(repository: string) {
    const scope = `repository:${repository}:pull`;
    const answer = await server.fetch(`/service/token?${new URLSearchParams({ service, scope })}`);
    const { token } = (await answer.json()) as { token: string };
    return { authorization: `Bearer ${token}` };
  }
  return {
    port: Number(new URL(server.url).port),
    pid: server.pid(),
    headers: { authorization: `Basic ${credentials}` },
    pullHeaders,
  };
}

/** What each registry showed; undefined for a peer that is not installed or was not asked for. */
export interface Shown<Result> {
  readonly ours: Result;
  /** distribution v3 */
  readonly peer: Result | undefined;
  /** Debian's docker-registry */
  readonly older: Result | undefined;
}

/** Does the same to Shiplog and to the peers, one after the other, so that none takes the others' processor. */
export async function onEach<Result>(work: (registry: Registry) => Promise<Result>): Promise<Shown<Result>> {
  const onPeer = (peer: Peer) =>
    inScope(async (scope) => {
      const registry = isAsked(peer) ? await startPeer(scope, peer) : undefined;
      return registry && work(registry);
    });
  return {
    ours: await inScope(async (scope) => work(await startShiplog(scope))),
    peer: await onPeer('registry'),
    older: await onPeer('docker-registry'),
  };
}

const isAsked = (peer: Peer): boolean => [undefined, peer].includes(process.env.SHIPLOG_BENCH_PEER as Peer);

/** The cells of the peers beside a figure of ours. */
export function besides<Result>(
  { ours, peer, older }: Shown<Result>,
  show: (of: Result) => string,
  value?: (of: Result) => number,
): Pick<Figure, 'ours' | 'peer' | 'ratio' | 'older' | 'olderRatio'> {
  const ratioTo = (of: Result) => (value === undefined ? '' : ratio(value(ours), value(of)));
  return {
    ours: show(ours),
    ...(peer !== undefined && { peer: show(peer), ratio: ratioTo(peer) }),
    ...(older !== undefined && { older: show(older), olderRatio: ratioTo(older) }),
  };
}

/** `shown`, each seen through `part`. */
export const each = <Result, Part>(
  { ours, peer, older }: Shown<Result>,
  part: (of: Result) => Part,
): Shown<Part> => ({
  ours: part(ours),
  peer: peer === undefined ? undefined : part(peer),
  older: older === undefined ? undefined : part(older),
});

async function inScope<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result> {
  await using open = new AsyncDisposableStack();
  return await work({ after: (stop) => open.defer(async () => void (await stop())) });
}
