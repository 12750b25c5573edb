import type { FastifyInstance } from 'fastify';

/** What the registry needs in order to answer, each with a question that fails while it is away. */
export type Dependencies = Readonly<Record<string, () => Promise<void>>>;

export interface Component {
  readonly name: string;
  readonly status: 'healthy' | 'unhealthy';
}

/** How long a dependency may take to answer before it counts as away, in milliseconds. */
const patienceMs = 2000;
/** Whoever asks within this time after another is told the same, milliseconds. */
const freshMs = 1000;

interface Log {
  warn(fields: object, message: string): void;
}

/** Asks all of `dependencies` at once. */
const askAll = (dependencies: Dependencies, log: Log): Promise<readonly Component[]> =>
  Promise.all(Object.entries(dependencies).map(askOne(log)));

/** The same, but not for everybody who wants to know: strangers may ask, as often as they like. */
export function healthOf(dependencies: Dependencies): (log: Log) => Promise<readonly Component[]> {
  let asked: { readonly at: number; readonly answer: Promise<readonly Component[]> } | undefined;
  return (log) => {
    const now = performance.now();
    if (asked === undefined || now - asked.at > freshMs)
      asked = { at: now, answer: askAll(dependencies, log) };
    return asked.answer;
  };
}

const askOne =
  (log: Log) =>
  async ([name, ask]: readonly [string, () => Promise<void>]): Promise<Component> => {
    try {
      await within(patienceMs, ask());
      return { name, status: 'healthy' };
    } catch (error) {
      // What is wrong in detail is for the operator's log, not for whoever asks.
      log.warn({ err: error, component: name }, 'a component is not ready');
      return { name, status: 'unhealthy' };
    }
  };

export const isHealthy = (components: readonly Component[]): boolean =>
  components.every(({ status }) => status === 'healthy');

/** `/healthz`: the process runs. `/readyz`: it can serve; 503 names what is missing. */
export function healthRoutes(app: FastifyInstance, dependencies: Dependencies): void {
  app.get('/healthz', async () => ({ status: 'healthy' }));

  app.get('/readyz', async (request, reply) => {
    const components = await askAll(dependencies, request.log);
    const ready = isHealthy(components);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'healthy' : 'unhealthy', components });
  });
}

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
