import type { FastifyInstance } from 'fastify';
import { garbageParameters } from '../../domain/garbage-collection/parameters.ts';
import type { Access } from './access.ts';
import { badRequest } from './faults.ts';
import { readParameters, type SystemJobPorts } from './system-job.ts';
import { systemJobRoutes } from './system-job-routes.ts';

/** Harbor's `gc` operations. */
export function garbageCollectionRoutes(api: FastifyInstance, ports: SystemJobPorts, access: Access): void {
  systemJobRoutes(api, ports, access, {
    kind: 'GARBAGE_COLLECTION',
    tag: 'gc',
    path: '/system/gc',
    run: 'gc_id',
    history: 'GCHistory',
    resource: 'garbage-collection',
    list: ['getGCHistory', 'The runs of the collector of garbage, the latest first.'],
    readSchedule: ['getGCSchedule', 'When garbage is collected by itself.'],
    create: ['createGCSchedule', 'Collects garbage now, or by a schedule from now on.'],
    update: ['updateGCSchedule', 'Collects garbage by another schedule from now on, by none, or now.'],
    read: ['getGC', 'A run of the collector of garbage.'],
    stop: ['stopGC', 'Asks a run to stop; what is left is for the next one.'],
    log: ['getGCLog', 'What a run has to say: what went, and why.'],

    parametersOf(_type, given) {
      const { workers } = given ?? {};
      if (typeof workers === 'number' && !(workers >= 1 && workers <= 10))
        throw badRequest(
          `Error: Invalid number of workers:${workers}. Workers must be greater than 0 and less than or equal to 10.`,
        );
      return readParameters(garbageParameters, given);
    },
  });
}
