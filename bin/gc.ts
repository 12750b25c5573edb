import { idsAllocator } from '../commands/allocate-id.ts';
import type { CollectGarbage, CollectionProgress, Finding } from '../commands/garbage.ts';
import { recordWorkDone } from '../commands/record-work-done.ts';
import { catalogue } from '../domain/catalogue.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { GarbageRun } from '../workers/collect-garbage.ts';
import { resultOf } from '../workers/collect-garbage-job.ts';
import { garbageCollector, garbageSettings } from './garbage.ts';
import { asTool, type Tool } from './tool.ts';

export interface GcOptions {
  readonly dryRun?: boolean;
  readonly untagged?: boolean;
  readonly grace?: number;
  readonly delay?: number;
  readonly orphans?: number;
  readonly workers?: number;
}

/** Between two lines of progress, in milliseconds. */
const progressMs = 2000;

/** `shiplog gc`: exit code 1 when the run failed or was stopped, 2 when another collector is at work. */
export async function gc(file: string | undefined, options: GcOptions): Promise<void> {
  await asTool(file, async ({ configuration, stopping, ...engines }) => {
    const configured = garbageSettings(configuration);
    const { dryRun = false, untagged = configured.untagged, grace, delay, orphans } = options;
    const settings = {
      dryRun,
      untagged,
      graceHours: grace ?? configured.graceHours,
      untaggedGraceHours: grace ?? configured.untaggedGraceHours,
      delayHours: delay ?? configured.delayHours,
      orphanHours: orphans ?? configured.orphanHours,
    };
    const progress = dryRun ? undefined : showFindings();
    const run = garbageCollector(engines);
    let failure: unknown;
    const finished = await run(settings, stopping, {
      workers: options.workers,
      onFinding: progress?.count ?? ((finding) => console.log(wouldBe(finding))),
      onProgress: progress?.update,
      onFailure(error) {
        failure = error;
        console.error(error);
      },
    });
    progress?.stop();
    if (finished === undefined) {
      console.error('another collector of garbage is at work');
      process.exitCode = 2;
      return;
    }
    console.log(summary(finished, dryRun));
    if (!dryRun) await recordRun(engines, settings, finished, failure);
    if (finished.status !== 'completed') process.exitCode = 1;
  });
}

const verbs = { condemned: 'would condemn', reprieved: 'would keep', removed: 'would remove' } as const;

const wouldBe = ({ deed, kind, repository, digest, bytes, why }: Finding): string =>
  `${verbs[deed]} ${kind} ${repository === undefined ? '' : `${repository}@`}${digest} (${bytes} bytes): ${why}`;

function summary(run: GarbageRun, dryRun: boolean): string {
  const { status, condemned, reprieved, blobs, manifests, orphans, bytes, durationMs } = run;
  const number = (of: number): string => of.toLocaleString('en-US');
  const removed = `${number(blobs)} blobs, ${number(manifests)} manifests and ${number(orphans)} orphans`;
  const outcome = dryRun
    ? `dry run, nothing was changed: would remove ${removed}, ${number(bytes)} bytes at most; would condemn ${number(condemned)}`
    : `removed ${removed}, ${number(bytes)} bytes; condemned ${number(condemned)}, kept ${number(reprieved)}`;
  return `${status} in ${(durationMs / 1000).toFixed(1)} s: ${outcome}`;
}

/** Says on standard error how much was done so far, and in which stage it is. */
function showFindings(output: NodeJS.WriteStream = process.stderr) {
  let items = 0;
  let reclaimed = 0;
  let at: CollectionProgress | undefined;
  const number = (of: number): string => of.toLocaleString('en-US');
  const timer = setInterval(() => {
    const stage = at === undefined ? '' : `${at.stage}, ${number(at.done)}`;
    const of = at?.total === undefined ? '' : ` of ${number(at.total)}`;
    output.write(`${stage}${of}: ${number(items)} items, ${number(reclaimed)} bytes removed\n`);
  }, progressMs);
  return {
    count({ deed, bytes }: Finding): void {
      items += 1;
      if (deed === 'removed') reclaimed += bytes;
    },
    update(progress: CollectionProgress): void {
      at = progress;
    },
    stop: () => clearInterval(timer),
  };
}

const outcomes = { completed: 'Success', stopped: 'Stopped', failed: 'Error' } as const;

/** In the history of the management API a run by hand stands beside those of the schedule. */
async function recordRun(
  { log, record }: Pick<Tool, 'log' | 'record'>,
  settings: CollectGarbage,
  run: GarbageRun,
  failure: unknown,
): Promise<void> {
  const allocateIds = idsAllocator({ log, catalogue, newEventId });
  await recordWorkDone({ record, allocateIds, newJobId: () => run.run })(
    {
      kind: 'GARBAGE_COLLECTION',
      parameters: {
        delete_untagged: settings.untagged,
        grace_hours: settings.graceHours,
        untagged_grace_hours: settings.untaggedGraceHours,
        delay_hours: settings.delayHours,
      },
      status: outcomes[run.status],
      result: resultOf(run),
      message: failure instanceof Error ? failure.message : '',
    },
    { actor: 'system', correlationId: run.run },
  );
}
