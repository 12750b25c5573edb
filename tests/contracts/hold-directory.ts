// Takes the hold on the directory that is its first argument, says how that went, and stays until its standard input
// ends.
import { holdDataDirectory } from '../../infra/data-directory/data-directory.ts';

const [directory = '', description = ''] = process.argv.slice(2);
try {
  await holdDataDirectory(directory, { description });
  console.log('held');
  process.stdin.resume();
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
