import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { work } from '../../bin/worker.ts';
import { repositoryStream } from '../../domain/repository/events.ts';
import { type AnyJobHandler, PermanentFailure } from '../../workers/job.ts';

/** `shiplog worker` with handlers of a test, each on the product's own runner. */
await work(undefined, ({ ports: { record } }) => {
  const cheap: AnyJobHandler = {
    kind: 'SYSTEM_ARTIFACT_CLEANUP',
    parameters: z.object({ key: z.string() }),
    attempts: 20,
    retrySeconds: 1,
    async run({ parameters: { key }, taskId }) {
      await sleep(Math.random() * 20);
      const repository = `test/effect-${key}`;
      const data = { repository, repositoryId: taskId, description: key };
      // As a command does it: what has happened already does not happen again.
      await record(
        { actor: 'system' },
        {
          stream: repositoryStream(repository),
          decide: (history) => ({
            events: history.length === 0 ? [{ type: 'RepositoryDescribed', data }] : [],
            state: undefined,
          }),
        },
      );
      await sleep(Math.random() * 20);
      return { key };
    },
  };
  const failing: AnyJobHandler = {
    kind: 'SCAN_DATA_EXPORT',
    parameters: z.object({ permanent: z.boolean() }),
    attempts: 3,
    retrySeconds: 1,
    async run({ parameters: { permanent } }) {
      if (permanent) throw new PermanentFailure('what it was done for is gone');
      throw new Error('it never works');
    },
  };
  const long: AnyJobHandler = {
    kind: 'P2P_PREHEAT',
    parameters: z.object({}),
    exclusive: true,
    async run(_, { stopping, log, progress }) {
      log('it has begun');
      for (let done = 0; !stopping.aborted; done += 1) {
        progress({ stage: 'waiting', done, total: 1_000_000 });
        await sleep(50);
      }
      log('it was told to end', 'warn');
      return { ended: 'early' };
    },
  };
  const stubborn: AnyJobHandler = {
    kind: 'SLACK',
    parameters: z.object({}),
    retrySeconds: 1,
    run: () => new Promise(() => undefined),
  };
  return [cheap, failing, long, stubborn];
});
