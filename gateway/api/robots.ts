import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import { type RobotPermission, userOf } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import type { Listing } from '../../projections/listing.ts';
import type { ListedRobot } from '../../projections/robots/queries.ts';
import { type Access, type Asker, refusalTo } from './access.ts';
import { createsAndShows, lists, nothing, shows, time } from './answer-forms.ts';
import { requireStrong } from './credentials.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { storable } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { exactly } from './query.ts';
import {
  everyProject,
  expiryOf,
  projectIn,
  readDescription,
  readDuration,
  readLevel,
  readPermissions,
  refuseEscalation,
  robotAnswer,
  robotForm,
  shownRobot,
} from './robot-form.ts';

type Action = 'create' | 'read' | 'update' | 'list' | 'delete';

/** Longer is no rotation. */
const maxOverlapSeconds = 30 * 24 * 60 * 60;
const secretForm = z.object({
  secret: z.string().nullish(),
  overlap_seconds: z
    .int()
    .min(0)
    .max(maxOverlapSeconds)
    .nullish()
    .describe('How long the secret from before is good as well; without it that ends at once'),
});

/** Harbor's `robot` operations. */
export function robotRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached, newSecret, lastUsesOf } = ports;
  const robotPrefix = async () => (await ports.configuration()).robot_name_prefix;

  /** The robot, for who may do this with robots of its level. */
  async function robotFor(
    asker: Asker,
    robotId: number,
    action: Action,
  ): Promise<Asker & { readonly robot: ListedRobot }> {
    const robot = await queries.findRobotById(robotId);
    if (robot === undefined) throw notFound(`robot ${robotId} not found`);
    if (robot.project !== null) await access.inNamedProject(asker, robot.project, `robot:${action}`);
    else requireInSystem(asker, action);
    return { ...asker, robot };
  }

  /** The same around the reading of the body: nobody sends one in vain, and what counts is who may when it is there. */
  async function robotAndBody<Body>(
    request: FastifyRequest,
    robotId: number,
    action: Action,
    body: () => Promise<Body>,
  ) {
    await robotFor(await access.known(request), robotId, action);
    const form = await body();
    return { form, ...(await robotFor(await access.stillKnown(request), robotId, action)) };
  }

  function requireInSystem({ principal }: Asker, action: Action): void {
    if (!authorize(principal, `robot:${action}`, { kind: 'system' })) throw refusalTo(principal);
  }

  /** What is given is the giver's to give, and for projects that there are. */
  async function requireGiveable({ principal }: Asker, permissions: readonly RobotPermission[]) {
    const names = new Set(
      permissions.flatMap(({ scope }) =>
        scope.kind === 'project' && scope.project !== everyProject ? [scope.project] : [],
      ),
    );
    const projectIds = new Map<string, number>();
    for (const name of names) {
      const project = isName(name) ? await queries.findProject(name) : undefined;
      if (project !== undefined) projectIds.set(name, project.projectId);
    }
    // First, since who may not give it is not told what there is.
    refuseEscalation(principal, permissions, projectIds);
    for (const name of names) if (!projectIds.has(name)) throw notFound(`project ${name} not found`);
  }

  async function shown(robots: readonly ListedRobot[]) {
    const ids = robots.map(({ robotId }) => robotId);
    const [prefix, uses] = await Promise.all([robotPrefix(), lastUsesOf('robot', ids)]);
    return robots.map((robot) => shownRobot(prefix, robot, uses.get(robot.robotId)));
  }

  operation(
    api,
    {
      id: 'ListRobot',
      tag: 'robot',
      method: 'GET',
      path: '/robots',
      summary:
        'The robot accounts of the system, or with `q=Level=project,ProjectID=<id>` those of a project.',
      answer: lists(robotAnswer),
    },
    async ({ request, listing }) => {
      const asker = await access.known(request);
      const projectId = await projectAsked(asker, exactly(listing, 'Level') ?? 'system', listing);
      const { rows, total } = await queries.listRobots(projectId, listing);
      return { rows: await shown(rows), total };
    },
  );

  async function projectAsked(asker: Asker, level: string, listing: Listing): Promise<number | null> {
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

  operation(
    api,
    {
      id: 'CreateRobot',
      tag: 'robot',
      method: 'POST',
      path: '/robots',
      summary: 'Creates a robot account and shows its secret, this once.',
      body: robotForm,
      answer: createsAndShows(
        z
          .object({
            id: z.int(),
            name: z.string(),
            secret: z.string(),
            creation_time: time,
            expires_at: z.int().describe('Seconds since 1970, -1 for never'),
          })
          .meta({ id: 'RobotCreated' }),
      ),
    },
    async ({ request, body }) => {
      await access.known(request);
      const form = await body();
      const asker = await access.stillKnown(request);
      const inProject =
        readLevel(form) === 'project'
          ? await access.inNamedProject(asker, projectIn(form), 'robot:create')
          : undefined;
      if (inProject === undefined) requireInSystem(asker, 'create');
      if (!isName(form.name))
        throw badRequest('robot name is not in lower case or contains illegal characters');
      const permissions = readPermissions(form);
      await requireGiveable(asker, permissions);
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
        asker.metadata,
      );
      await reached(position);
      const created = await queries.findRobotById(robotId);
      if (created === undefined) throw notFound(`robot ${robotId} not found`);
      const { createdAt, expiresAt } = created;
      return {
        id: robotId,
        body: {
          id: robotId,
          name: (await robotPrefix()) + name,
          secret,
          creation_time: createdAt,
          expires_at: expiryOf(expiresAt),
        },
      };
    },
  );

  operation(
    api,
    {
      id: 'GetRobotByID',
      tag: 'robot',
      method: 'GET',
      path: '/robots/:robot_id',
      summary: 'A robot account.',
      answer: shows(robotAnswer),
    },
    async ({ request, path }) => {
      const { robot } = await robotFor(await access.known(request), path.robot_id, 'read');
      const [answer] = await shown([robot]);
      if (answer === undefined) throw notFound(`robot ${path.robot_id} not found`);
      return answer;
    },
  );

  operation(
    api,
    {
      id: 'UpdateRobot',
      tag: 'robot',
      method: 'PUT',
      path: '/robots/:robot_id',
      summary: 'Changes a robot account as a whole, but for its name, its level and its project.',
      body: robotForm,
      answer: nothing,
    },
    async ({ request, path, body }) => {
      const { robot, form, ...asker } = await robotAndBody(request, path.robot_id, 'update', body);
      const level = robot.project === null ? 'system' : 'project';
      if (form.level !== level || form.name !== (await robotPrefix()) + robot.name)
        throw badRequest('cannot update the level or name of robot');
      if (robot.project !== null && projectIn(form) !== robot.project)
        throw badRequest('cannot update the project id of robot');
      const permissions = readPermissions(form);
      await requireGiveable(asker, permissions);
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
      await reached(await commands.changeRobot(change, asker.metadata));
    },
  );

  operation(
    api,
    {
      id: 'RefreshSec',
      tag: 'robot',
      method: 'PATCH',
      path: '/robots/:robot_id',
      summary:
        'Changes the secret of a robot account to the given one, or to a new one that is shown this once.',
      body: secretForm,
      answer: shows(z.object({ secret: z.string().optional() }).meta({ id: 'RobotSec' })),
    },
    async ({ request, path, body }) => {
      const { robot, form, metadata } = await robotAndBody(request, path.robot_id, 'update', body);
      if (form.secret) requireStrong(form.secret);
      const secret = form.secret || newSecret();
      const { name, robotId } = robot;
      const change = { name, robotId, secret, overlapSeconds: form.overlap_seconds ?? 0 };
      await reached(await commands.changeRobotSecret(change, metadata));
      return form.secret ? {} : { secret };
    },
  );

  operation(
    api,
    {
      id: 'endPreviousRobotSecret',
      tag: 'robot',
      method: 'DELETE',
      path: '/robots/:robot_id/previous_secret',
      summary: 'Ends the secret from before the last change, where that was left good for a while.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { robot, metadata } = await robotFor(await access.known(request), path.robot_id, 'update');
      const { name, robotId } = robot;
      await reached(await commands.endPreviousSecret({ name, robotId }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'DeleteRobot',
      tag: 'robot',
      method: 'DELETE',
      path: '/robots/:robot_id',
      summary: 'Deletes a robot account.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { robot, metadata } = await robotFor(await access.known(request), path.robot_id, 'delete');
      const { name, robotId } = robot;
      await reached(await commands.deleteRobot({ name, robotId }, metadata));
    },
  );
}

const creatorOf = ({ principal }: Asker): { creatorType: 'local' | 'robot'; creatorRef: number } =>
  principal.kind === 'robot'
    ? { creatorType: 'robot', creatorRef: principal.robotId }
    : { creatorType: 'local', creatorRef: userOf(principal)?.userId ?? 0 };
