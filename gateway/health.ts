import type { FastifyInstance } from 'fastify';

/** What the registry needs in order to answer, each with a question that fails while it is away. */
export type Dependencies = Readonly<Record<string, () => Promise<void>>>;

/** How long a dependency may take to answer before it counts as away, in milliseconds. */
const patienceMs = 2000;

/** `/healthz`: the process runs. `/readyz`: it can serve; 503 names what is missing. */
export function healthRoutes(app: FastifyInstance, dependencies: Dependencies): void {
  app.get('/healthz', async () => ({ status: 'healthy' }));

  app.get('/readyz', async (request, reply) => {
    const components = await Promise.all(
      Object.entries(dependencies).map(async ([name, ask]) => {
        try {
          await within(patienceMs, ask());
          return { name, status: 'healthy' };
        } catch (error) {
          // What is wrong in detail is for the operator's log, not for whoever asks.
          request.log.warn({ err: error, component: name }, 'a component is not ready');
          return { name, status: 'unhealthy' };
        }
      }),
    );
    const ready = components.every(({ status }) => status === 'healthy');
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
