import { catalogue, upcast } from '../domain/catalogue.ts';
import { type Recount, recountOf } from '../domain/quota/recount.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { artifacts } from '../projections/artifacts/projection.ts';
import { blobs } from '../projections/blobs/projection.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { quotas } from '../projections/quotas/projection.ts';
import { findQuota } from '../projections/quotas/queries.ts';
import { type ExplainedBytes, explainUsage, type Part } from '../projections/storage/explanation.ts';
import { storage } from '../projections/storage/projection.ts';
import { asTool } from './tool.ts';

/**
 * `shiplog quota explain <project>`: every byte by repository and reason, against what the quota counts and what the
 * log alone says. Exit code 1 where these differ, or where there is no such project.
 */
export async function explainQuota(
  file: string | undefined,
  project: string,
  { json = false }: { json?: boolean },
): Promise<void> {
  await asTool(file, async ({ log, database: { kysely }, views }) => {
    const found = await findProject(viewOf<ProjectsDatabase>(kysely, projects), project);
    if (found === undefined) {
      console.error(`there is no project ${project}`);
      process.exitCode = 1;
      return;
    }
    const head = await log.head();
    await views.reached(head, [artifacts, blobs, quotas, storage]);
    const [quota, rows] = [await findQuota(kysely, found.projectId), await explained(kysely, project)];
    const recount = await recounted(log, project, head);
    const sum = rows.reduce((all, { bytes }) => all + bytes, 0);
    const answer = {
      project,
      limit: quota?.storage ?? null,
      used: quota?.used ?? null,
      explained: sum,
      recounted: recount.bytes,
      rows,
    };
    console.log(json ? JSON.stringify(answer, null, 2) : textOf(answer));
    if (sum === quota?.used && sum === recount.bytes) return;
    console.error('these are not the same; where nothing is pushed meanwhile, replay the view storage');
    process.exitCode = 1;
  });
}

/** All parts together; of what is cut into two parts, one row. */
async function explained(
  kysely: Parameters<typeof explainUsage>[0],
  project: string,
): Promise<readonly ExplainedBytes[]> {
  const rows = new Map<string, ExplainedBytes>();
  let part: Part<ExplainedBytes> = await explainUsage(kysely, project, undefined);
  for (;;) {
    for (const row of part.rows) {
      const name = `${row.repository} ${row.reason}`;
      const { objects = 0, bytes = 0 } = rows.get(name) ?? {};
      rows.set(name, { ...row, objects: objects + row.objects, bytes: bytes + row.bytes });
    }
    if (part.next === undefined) return [...rows.values()];
    part = await explainUsage(kysely, project, part.next);
  }
}

/** What the log says of the project up to the position. */
async function recounted(log: EventLog, project: string, head: bigint): Promise<Recount> {
  const recount = recountOf(project);
  for await (const batch of log.readAll(0n))
    for (const event of batch) {
      if (event.position > head) return recount;
      recount.add(upcast(catalogue, event));
    }
  return recount;
}

function textOf({
  project,
  limit,
  used,
  explained,
  recounted,
  rows,
}: {
  readonly project: string;
  readonly limit: number | null;
  readonly used: number | null;
  readonly explained: number;
  readonly recounted: number;
  readonly rows: readonly ExplainedBytes[];
}): string {
  const cells = [
    ['repository', 'reason', 'objects', 'bytes'],
    ...rows.map(({ repository, reason, objects, bytes }) => [
      repository,
      reason,
      String(objects),
      String(bytes),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const shownLimit = limit === null || limit === -1 ? 'no limit' : `a limit of ${limit}`;
  return [
    ...lines,
    '',
    `${project} holds ${explained} bytes, with ${shownLimit}; its quota counts ${used ?? 'none'}, the log ${recounted}.`,
  ].join('\n');
}
