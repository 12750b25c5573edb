import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { LogLine } from '../../infra/job-journal/port.ts';
import type { Task } from '../../projections/executions/queries.ts';
import { RequestRefused } from '../errors.ts';
import type { Access } from './access.ts';
import { type AnswerForm, listsAfter, shows, time } from './answer-forms.ts';
import { notFound, unprocessable } from './faults.ts';
import { jobAnswer, shownJob } from './job-answer.ts';
import { findJob, type JobPorts } from './job-ports.ts';
import { operation } from './operation.ts';
import { limit, limitOr, text } from './parameter-forms.ts';

const tag = 'job';

const lineAnswer = z
  .object({
    line: z.string().describe('Where it is in the log; what `after` takes'),
    time,
    level: z.string(),
    text: z.string(),
  })
  .meta({ id: 'JobLogLine' });

const shownLine = ({ line, at, level, text: said }: LogLine) => ({
  line: String(line),
  time: at,
  level,
  text: said,
});

/** How many may watch at once, of each process. */
const maxWatchers = 100;
/** How often it is looked where nothing is said, how often it is asked anew who may, and how often a sign is given. */
const lookMs = 2000;
const askAgainMs = 30_000;
const heartbeatMs = 15_000;
const linesAtOnce = 100;
/** How long who watches may not read, in milliseconds. */
const maxHeldUpMs = 30_000;

/** 200 with a stream of server-sent events. */
const streams: AnswerForm<AsyncIterable<string>> = {
  status: 200,
  description:
    'Server-sent events: `job` when the job has changed, `log` for a line of its log, `end` at its end',
  contentType: 'text/event-stream',
  send: (events, { reply }) =>
    reply
      .type('text/event-stream')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(Readable.from(events, { objectMode: false, highWaterMark: 16_384 })),
};

/** How far a job is, beyond what Harbor shows. */
export function jobRoutes(api: FastifyInstance, jobs: JobPorts, access: Access): void {
  let watchers = 0;

  async function jobFor(request: FastifyRequest, jobId: string): Promise<Task> {
    await access.inSystem(request, 'jobservice-monitor:list');
    const task = await findJob(jobs, jobId);
    if (task === undefined) throw notFound(`job ${jobId} not found`);
    return task;
  }

  operation(
    api,
    {
      id: 'getJob',
      tag,
      method: 'GET',
      path: '/jobs/:job_id',
      summary: 'How far a job is, and why it does not go on.',
      answer: shows(jobAnswer),
    },
    async ({ request, path: { job_id } }) => shownJob(jobs, await jobFor(request, job_id)),
  );

  operation(
    api,
    {
      id: 'getJobLog',
      tag,
      method: 'GET',
      path: '/jobs/:job_id/log',
      summary: 'What a job has said after a line of its log.',
      query: { after: text, limit },
      answer: listsAfter(lineAnswer),
    },
    async ({ request, path: { job_id }, query: { after = '0', limit: asked } }) => {
      const task = await jobFor(request, job_id);
      const size = limitOr(asked);
      const rows = await jobs.journal.read(task.taskId, lineIn(after), size + 1);
      const shown = rows.slice(0, size);
      const next = rows.length > size ? String(shown.at(-1)?.line) : undefined;
      return { rows: shown.map(shownLine), total: undefined, next };
    },
  );

  operation(
    api,
    {
      id: 'watchJob',
      tag,
      method: 'GET',
      path: '/jobs/:job_id/events',
      summary: 'What happens to a job, as it happens, until its end.',
      headers: { 'Last-Event-ID': 'The line of the log to go on after' },
      answer: streams,
    },
    async ({ request, path: { job_id } }) => {
      const task = await jobFor(request, job_id);
      const { 'last-event-id': last = '0' } = request.headers;
      const after = lineIn([last].flat()[0] || '0');
      if (watchers >= maxWatchers) throw tooMany();
      return eventsOf(request, task, after);
    },
  );

  async function* eventsOf(request: FastifyRequest, first: Task, after: bigint): AsyncGenerator<string> {
    watchers += 1;
    let wake = Promise.withResolvers<void>();
    const gone = new AbortController();
    const { socket } = request.raw;
    const onClose = () => gone.abort();
    socket.once('close', onClose);
    gone.signal.addEventListener('abort', () => wake.resolve(), { once: true });
    let unheard: (() => void) | undefined;
    let handedAt: number | undefined;
    // Who does not read keeps neither its place nor its rights: it goes on after the last line when it comes again.
    const watchdog = setInterval(() => {
      if (handedAt !== undefined && performance.now() - handedAt > maxHeldUpMs) socket.destroy();
    }, lookMs).unref();
    try {
      unheard = await hear(first.taskId, () => wake.resolve());
      for await (const event of told()) {
        handedAt = performance.now();
        yield event;
        handedAt = undefined;
      }
    } finally {
      clearInterval(watchdog);
      // The connection may have other requests.
      socket.off('close', onClose);
      unheard?.();
      watchers -= 1;
    }

    async function* told(): AsyncGenerator<string> {
      let line = after;
      let shown = '';
      let askedAt = performance.now();
      let toldAt = askedAt;
      while (!gone.signal.aborted) {
        wake = Promise.withResolvers();
        // Before the log is read, so that all that was said before its end is told before that.
        const task = await jobs.taskOfJob(first.jobId);
        for (;;) {
          const lines = await jobs.journal.read(first.taskId, line, linesAtOnce);
          for (const each of lines) {
            line = each.line;
            yield eventOf('log', shownLine(each), line);
          }
          if (!(await stillMayNow())) return;
          if (lines.length < linesAtOnce) break;
          toldAt = performance.now();
        }
        const job = task && (await shownJob(jobs, task));
        const now = JSON.stringify(job);
        if (job !== undefined && now !== shown) {
          yield eventOf('job', job);
          [shown, toldAt] = [now, performance.now()];
        }
        if (task === undefined || task.endedAt !== undefined) {
          yield eventOf('end', { status: task?.status });
          return;
        }
        if (performance.now() - toldAt > heartbeatMs) {
          yield ': still here\n\n';
          toldAt = performance.now();
        }
        await Promise.race([wake.promise, sleep(lookMs, undefined, { ref: false })]);
      }

      async function stillMayNow(): Promise<boolean> {
        if (performance.now() - askedAt <= askAgainMs) return true;
        askedAt = performance.now();
        return stillMay(request);
      }
    }
  }

  async function stillMay(request: FastifyRequest): Promise<boolean> {
    try {
      access.requireInSystem(await access.stillKnown(request), 'jobservice-monitor:list');
      return true;
    } catch (error) {
      if (error instanceof RequestRefused) return false;
      throw error;
    }
  }

  const heard = new Map<number, Set<() => void>>();
  let listening: Promise<unknown> | undefined;

  /** One connection to the database for all who watch. */
  async function hear(taskId: number, wake: () => void): Promise<() => void> {
    listening ??= jobs.journal
      .onWritten((written) => {
        const concerned = written === 0 ? [...heard.values()] : [heard.get(written) ?? new Set()];
        for (const wakes of concerned) for (const each of wakes) each();
      })
      .catch(() => {
        // They look every now and then in any case.
        listening = undefined;
      });
    await listening;
    const wakes = heard.get(taskId) ?? new Set();
    heard.set(taskId, wakes.add(wake));
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0) heard.delete(taskId);
    };
  }
}

const eventOf = (name: string, data: unknown, id?: bigint): string =>
  `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

/** @throws RequestRefused 422 */
function lineIn(after: string): bigint {
  if (!/^\d{1,18}$/.test(after)) throw unprocessable('after in query must be the line of a log');
  return BigInt(after);
}

const tooMany = () =>
  new RequestRefused({
    status: 429,
    code: 'TOO_MANY_REQUEST',
    message: 'too many watch jobs already; ask how far it is instead',
    headers: { 'retry-after': '5' },
  });
