// Follows the log of the database that is its first argument, says the position of each event that it is to take, and goes on
// with the next one when it is told so by a line; it has taken an event when the checkpoint says so.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { catalogue } from '../../domain/catalogue.ts';
import { postgresCheckpoints } from '../../infra/checkpoints/postgres.ts';
import { aloneIn } from '../../infra/database/alone.ts';
import { connectDatabase } from '../../infra/database/connect.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import { keepFollowing } from '../../workers/follow-log.ts';

const connection = JSON.parse(process.argv[2] ?? '');
const database = await connectDatabase({ connection, poolSize: 4, waitMs: 30_000 });
const checkpoints = postgresCheckpoints(database);
const input = createInterface({ input: process.stdin });
keepFollowing({
  log: await openPostgresLog(database),
  catalogue,
  alone: aloneIn(database, 'a test'),
  begin: async () => (await checkpoints.read('test')) ?? 0n,
  async take(events) {
    for (const { position } of events) {
      console.log(String(position));
      await once(input, 'line');
      await checkpoints.write('test', position);
    }
  },
  onFailure: (error) => console.log(`failed: ${error}`),
});
