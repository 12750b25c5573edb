import type { FastifyInstance } from 'fastify';
import { garbageParameters } from '../../domain/garbage-collection/parameters.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, says, shows, showsIfAny } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import {
  historyAnswer,
  readParameters,
  type ScheduleForm,
  type SystemJobPorts,
  scheduleForm,
  systemJob,
} from './system-job.ts';

const tag = 'gc';
const path = '/system/gc/:gc_id';
const schedulePath = '/system/gc/schedule';
const history = historyAnswer('GCHistory');

/** Harbor's `gc` operations. */
export function garbageCollectionRoutes(api: FastifyInstance, ports: SystemJobPorts, access: Access): void {
  const job = systemJob('GARBAGE_COLLECTION', ports);

  operation(
    api,
    {
      id: 'getGCHistory',
      tag,
      method: 'GET',
      path: '/system/gc',
      summary: 'The runs of the collector of garbage, the latest first.',
      answer: lists(history),
    },
    async ({ request, listing }) => {
      await access.inSystem(request, 'garbage-collection:list');
      return job.list(listing);
    },
  );

  operation(
    api,
    {
      id: 'getGCSchedule',
      tag,
      method: 'GET',
      path: schedulePath,
      summary: 'When garbage is collected by itself.',
      answer: showsIfAny(history),
    },
    async ({ request }) => {
      await access.inSystem(request, 'garbage-collection:read');
      return job.schedule();
    },
  );

  operation(
    api,
    {
      id: 'createGCSchedule',
      tag,
      method: 'POST',
      path: schedulePath,
      summary: 'Collects garbage now, or by a schedule from now on.',
      body: scheduleForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'garbage-collection:create');
      const form = await body();
      const id = await job.change(form, parametersOf(form), metadata);
      return { id, location: `/api/v2.0/system/gc/${id}` };
    },
  );

  operation(
    api,
    {
      id: 'updateGCSchedule',
      tag,
      method: 'PUT',
      path: schedulePath,
      summary: 'Collects garbage by another schedule from now on, by none, or now.',
      body: scheduleForm,
      answer: nothing,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'garbage-collection:update');
      const form = await body();
      await job.change(form, parametersOf(form), metadata);
    },
  );

  operation(
    api,
    {
      id: 'getGC',
      tag,
      method: 'GET',
      path,
      summary: 'A run of the collector of garbage.',
      answer: shows(history),
    },
    async ({ request, path: { gc_id } }) => {
      await access.inSystem(request, 'garbage-collection:read');
      return job.show(gc_id);
    },
  );

  operation(
    api,
    {
      id: 'stopGC',
      tag,
      method: 'PUT',
      path,
      summary: 'Asks a run to stop; what is left is for the next one.',
      answer: nothing,
    },
    async ({ request, path: { gc_id } }) => {
      const { metadata } = await access.inSystem(request, 'garbage-collection:stop');
      await job.stop(gc_id, metadata);
    },
  );

  operation(
    api,
    {
      id: 'getGCLog',
      tag,
      method: 'GET',
      path: `${path}/log`,
      summary: 'What a run has to say: what went, and why.',
      answer: says(),
    },
    async ({ request, path: { gc_id } }) => {
      await access.inSystem(request, 'garbage-collection:read');
      return job.log(gc_id);
    },
  );
}

/** @throws RequestRefused 400 */
function parametersOf({ schedule, parameters }: ScheduleForm) {
  if (schedule === undefined || schedule === null) throw badRequest('schedule cannot be empty');
  const { workers } = parameters ?? {};
  if (typeof workers === 'number' && !(workers >= 1 && workers <= 10))
    throw badRequest(
      `Error: Invalid number of workers:${workers}. Workers must be greater than 0 and less than or equal to 10.`,
    );
  return readParameters(garbageParameters, parameters);
}
