// Runs PostgreSQL on the directory that is its first argument, prints how to connect, and stays until its standard
// input ends. A second argument names the package with the binaries.
import { startEmbeddedPostgres } from '../../infra/database/embedded-postgres.ts';

const [directory = '', packageFolder] = process.argv.slice(2);
try {
  const postgres = await startEmbeddedPostgres({
    directory,
    ...(packageFolder === undefined ? {} : { packageFolder }),
  });
  console.log(JSON.stringify({ pid: postgres.pid(), connection: postgres.connection('postgres') }));
  process.stdin.resume().once('end', () => postgres.stop());
} catch (error) {
  console.log(JSON.stringify({ error: `${(error as Error).name}: ${(error as Error).message}` }));
}
