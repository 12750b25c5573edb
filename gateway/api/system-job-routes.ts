import type { FastifyInstance } from 'fastify';
import type { JobKind } from '../../domain/execution/kinds.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, says, shows, showsIfAny } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import {
  historyAnswer,
  type ScheduleForm,
  type SystemJobPorts,
  scheduleForm,
  systemJob,
} from './system-job.ts';

type Named = readonly [operationId: string, summary: string];

/** Wherein the operations of one kind of work for the whole system differ from those of another. */
export interface SystemJobOperations {
  readonly kind: JobKind;
  /** Harbor's tag. */
  readonly tag: string;
  readonly path: '/system/gc' | '/system/purgeaudit';
  /** How paths name the number of a run. */
  readonly run: 'gc_id' | 'purge_id';
  readonly history: 'GCHistory' | 'ExecHistory';
  /** What one needs permissions for. */
  readonly resource: 'garbage-collection' | 'purge-audit';
  readonly list: Named;
  readonly readSchedule: Named;
  readonly create: Named;
  readonly update: Named;
  readonly read: Named;
  readonly stop: Named;
  readonly log: Named;
  /** What a job is begun with. @throws RequestRefused 400 */
  parametersOf(type: string, given: ScheduleForm['parameters']): Readonly<Record<string, unknown>>;
}

/** The operations of one kind of work: its schedule, of which there is one, and its runs. */
export function systemJobRoutes(
  api: FastifyInstance,
  ports: SystemJobPorts,
  access: Access,
  of: SystemJobOperations,
): void {
  const { tag, resource, run } = of;
  const job = systemJob(of.kind, ports);
  const history = historyAnswer(of.history);
  const schedule = `${of.path}/schedule` as const;
  const path = `${of.path}/:${run}` as const;
  const named = ([id, summary]: Named) => ({ id, summary, tag });

  operation(
    api,
    { ...named(of.list), method: 'GET', path: of.path, answer: lists(history) },
    async ({ request, listing }) => {
      await access.inSystem(request, `${resource}:list`);
      return job.list(listing);
    },
  );

  operation(
    api,
    { ...named(of.readSchedule), method: 'GET', path: schedule, answer: showsIfAny(history) },
    async ({ request }) => {
      await access.inSystem(request, `${resource}:read`);
      return job.schedule();
    },
  );

  operation(
    api,
    { ...named(of.create), method: 'POST', path: schedule, body: scheduleForm, answer: creates },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, `${resource}:create`);
      const form = await body();
      const id = await job.change(form, parametersOf(form), metadata);
      return { id, location: `/api/v2.0${of.path}/${id}` };
    },
  );

  operation(
    api,
    { ...named(of.update), method: 'PUT', path: schedule, body: scheduleForm, answer: nothing },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, `${resource}:update`);
      const form = await body();
      await job.change(form, parametersOf(form), metadata);
    },
  );

  operation(
    api,
    { ...named(of.read), method: 'GET', path, answer: shows(history) },
    async ({ request, path: { [run]: id } }) => {
      await access.inSystem(request, `${resource}:read`);
      return job.show(id);
    },
  );

  operation(
    api,
    { ...named(of.stop), method: 'PUT', path, answer: nothing },
    async ({ request, path: { [run]: id } }) => {
      const { metadata } = await access.inSystem(request, `${resource}:stop`);
      await job.stop(id, metadata);
    },
  );

  operation(
    api,
    { ...named(of.log), method: 'GET', path: `${path}/log`, answer: says() },
    async ({ request, path: { [run]: id } }) => {
      await access.inSystem(request, `${resource}:read`);
      return job.log(id);
    },
  );

  /** @throws RequestRefused 400 */
  function parametersOf({ schedule, parameters }: ScheduleForm) {
    if (schedule === undefined || schedule === null) throw badRequest('schedule cannot be empty');
    return of.parametersOf(schedule.type ?? '', parameters);
  }
}
