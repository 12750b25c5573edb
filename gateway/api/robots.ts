import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import type { RobotPermission } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import type { ListedRobot } from '../../projections/robots/queries.ts';
import { type Access, type Asker, refusalTo } from './access.ts';
import { readJson } from './body.ts';
import { requireStrong } from './credentials.ts';
import { badRequest, notFound } from './faults.ts';
import { sendPage } from './paging.ts';
import { storable } from './parameter-forms.ts';
import { idInPath } from './parameters.ts';
import type { ApiPorts } from './ports.ts';
import { exactly, readListing } from './query.ts';
import {
  expiryOf,
  projectIn,
  readDescription,
  readDuration,
  readLevel,
  readPermissions,
  refuseEscalation,
  robotForm,
  shownRobot,
} from './robot-form.ts';

type Action = 'create' | 'read' | 'update' | 'list' | 'delete';
const secretForm = z.object({ secret: z.string().nullish() });

/** Harbor's `robot` operations. */
export function robotRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached, robotPrefix, newSecret } = ports;

  /** The robot of the path, for who may do this with robots of its level. */
  async function robotFor(
    request: FastifyRequest,
    action: Action,
  ): Promise<Asker & { readonly robot: ListedRobot }> {
    const asker = await access.known(request);
    const robotId = idInPath(request, 'robot_id');
    const robot = await queries.findRobotById(robotId);
    if (robot === undefined) throw notFound(`robot ${robotId} not found`);
    if (robot.project !== null) await access.inNamedProject(asker, robot.project, `robot:${action}`);
    else requireInSystem(asker, action);
    return { ...asker, robot };
  }

  function requireInSystem({ principal }: Asker, action: Action): void {
    if (!authorize(principal, `robot:${action}`, { kind: 'system' })) throw refusalTo(principal);
  }

  /** What is given for a project is given for one that there is. */
  async function requireProjects(permissions: readonly RobotPermission[]): Promise<void> {
    const names = permissions.flatMap(({ scope }) =>
      scope.kind === 'project' && scope.project !== '*' ? [scope.project] : [],
    );
    for (const name of new Set(names))
      if (!isName(name) || (await queries.findProject(name)) === undefined)
        throw notFound(`project ${name} not found`);
  }

  api.get('/robots', async (request, reply) => {
    const asker = await access.known(request);
    const listing = readListing(request);
    const projectId = await projectAsked(asker, exactly(listing, 'Level') ?? 'system', listing);
    const page = await queries.listRobots(projectId, listing);
    return sendPage(request, reply, listing, page, (robot) => shownRobot(robotPrefix, robot));
  });

  async function projectAsked(
    asker: Asker,
    level: string,
    listing: Parameters<typeof exactly>[0],
  ): Promise<number | null> {
    if (level === 'system') {
      requireInSystem(asker, 'list');
      return null;
    }
    if (level !== 'project') throw badRequest('bad request error level input: system or project');
    const written = exactly(listing, 'ProjectID');
    if (written === undefined) throw badRequest('must with project ID when to query project robots');
    if (!/^[1-9]\d{0,14}$/.test(written)) throw badRequest('Project ID must be a positive integer');
    const found = await queries.findProjectById(storable(Number(written)));
    // A project that is not there is refused like one that the asker may not see.
    const { project } = await access.inNamedProject(asker, found?.name ?? '', 'robot:list');
    return project.projectId;
  }

  api.post('/robots', async (request, reply) => {
    const asker = await access.known(request);
    const { principal, metadata } = asker;
    const form = await readJson(request, robotForm);
    const level = readLevel(form);
    const inProject =
      level === 'project' ? await access.inNamedProject(asker, projectIn(form), 'robot:create') : undefined;
    if (inProject === undefined) requireInSystem(asker, 'create');
    if (!isName(form.name))
      throw badRequest('robot name is not in lower case or contains illegal characters');
    const permissions = readPermissions(form);
    refuseEscalation(principal, permissions);
    await requireProjects(permissions);
    const secret = newSecret();
    const project = inProject?.project;
    const name = project === undefined ? form.name : `${project.name}+${form.name}`;
    const { robotId, position } = await commands.createRobot(
      {
        name,
        project: project === undefined ? null : { name: project.name, projectId: project.projectId },
        description: readDescription(form),
        disabled: form.disable === true,
        durationDays: readDuration(form),
        permissions,
        secret,
        ...creatorOf(asker),
      },
      metadata,
    );
    await reached(position);
    const created = await queries.findRobotById(robotId);
    return reply
      .code(201)
      .header('location', `/api/v2.0/robots/${robotId}`)
      .send({
        id: robotId,
        name: robotPrefix + name,
        secret,
        creation_time: created?.createdAt,
        expires_at: expiryOf(created?.expiresAt ?? null),
      });
  });

  api.get('/robots/:robot_id', async (request) => {
    const { robot } = await robotFor(request, 'read');
    return shownRobot(robotPrefix, robot);
  });

  api.put('/robots/:robot_id', async (request, reply) => {
    const { robot, principal, metadata } = await robotFor(request, 'update');
    const form = await readJson(request, robotForm);
    const level = robot.project === null ? 'system' : 'project';
    if (form.level !== level || form.name !== robotPrefix + robot.name)
      throw badRequest('cannot update the level or name of robot');
    if (robot.project !== null && projectIn(form) !== robot.project)
      throw badRequest('cannot update the project id of robot');
    const permissions = readPermissions(form);
    refuseEscalation(principal, permissions);
    await requireProjects(permissions);
    const change = {
      name: robot.name,
      robotId: robot.robotId,
      description: readDescription(form),
      disabled: form.disable === true,
      // Absent means as it is, other than at the creation.
      durationDays:
        form.duration === undefined || form.duration === null ? robot.durationDays : readDuration(form),
      permissions,
    };
    await reached(await commands.changeRobot(change, metadata));
    return reply.send();
  });

  api.patch('/robots/:robot_id', async (request, reply) => {
    const { robot, metadata } = await robotFor(request, 'update');
    const { secret: given } = await readJson(request, secretForm);
    if (given) requireStrong(given);
    const secret = given || newSecret();
    const { name, robotId } = robot;
    await reached(await commands.changeRobotSecret({ name, robotId, secret }, metadata));
    return reply.send(given ? {} : { secret });
  });

  api.delete('/robots/:robot_id', async (request, reply) => {
    const { robot, metadata } = await robotFor(request, 'delete');
    await reached(await commands.deleteRobot({ name: robot.name, robotId: robot.robotId }, metadata));
    return reply.send();
  });
}

const creatorOf = ({ principal }: Asker): { creatorType: 'local' | 'robot'; creatorRef: number } => {
  switch (principal.kind) {
    case 'robot':
      return { creatorType: 'robot', creatorRef: principal.robotId };
    case 'user':
      return { creatorType: 'local', creatorRef: principal.userId };
    case 'anonymous':
      return { creatorType: 'local', creatorRef: 0 };
  }
};
