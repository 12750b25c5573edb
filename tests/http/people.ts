import { addMember } from '../../commands/add-member.ts';
import { idAllocator } from '../../commands/allocate-id.ts';
import { projectWithOwner } from '../../commands/create-project.ts';
import { createRobot } from '../../commands/create-robot.ts';
import { decision, recorder } from '../../commands/record.ts';
import type { RobotPermission } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { userDecider } from '../../domain/user/decider.ts';
import { userStream } from '../../domain/user/events.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import type { Scope, TestServer } from '../server.ts';
import { until } from '../until.ts';
import { send } from './client.ts';
import { openLogOf } from './server-log.ts';

const metadata = { actor: 'system' };

/** Makes users, projects and robots as a second process on the log of `server`; each is known to it when it is returned. */
export async function peopleOf(t: Scope, server: TestServer, robotPrefix = 'robot$') {
  const log = await openLogOf(t, server);
  const record = recorder({ log, catalogue, newEventId });
  const allocateId = idAllocator({ log, catalogue, newEventId });
  const isKnown = (as: string) =>
    until('it is known', async () => (await send(server, 'GET', '/v2/', { as })).status === 200);

  return {
    log,
    record,
    allocateId,
    hashPassword,
    metadata,

    async user(username: string, password: string, { emailKey = null }: { emailKey?: string | null } = {}) {
      const userId = await allocateId('user', metadata);
      const create = {
        do: 'create',
        username,
        userId,
        administrator: false,
        passwordHash: await hashPassword(password),
        emailKey,
        profile: null,
      } as const;
      await record(metadata, decision(userStream(username), userDecider, create));
      await isKnown(`${username}:${password}`);
      return { username, userId, as: `${username}:${password}` };
    },

    async privateProject(name: string) {
      const [projectId, memberId] = [
        await allocateId('project', metadata),
        await allocateId('member', metadata),
      ];
      const owner = { username: 'admin', userId: 1 };
      const project = { name, projectId, public: false, metadata: {}, storageLimit: null, owner, memberId };
      await record(metadata, ...projectWithOwner(project));
      await until('the project is known', async () => {
        const { body } = await send(server, 'GET', `/v2/${name}/x/tags/list`);
        return !body.includes(`project ${name} not found`);
      });
      return { name, projectId };
    },

    async member(
      project: { readonly name: string; readonly projectId: number },
      user: { readonly username: string; readonly userId: number; readonly as: string },
      role: Role,
    ) {
      const { projectId, name } = project;
      const entity = { entityType: 'user', entityId: user.userId } as const;
      const added = await addMember({ record, allocateId })(
        { projectId, project: name, ...entity, entityName: user.username, role },
        metadata,
      );
      await until('the member may read', async () => {
        const { status } = await send(server, 'GET', `/v2/${name}/x/tags/list`, { as: user.as });
        return status !== 403;
      });
      return { memberId: added.memberId, projectId, ...entity };
    },

    async robot(
      name: string,
      secret: string,
      permissions: readonly RobotPermission[],
      more: { readonly project?: { readonly name: string; readonly projectId: number } } = {},
    ) {
      const settings = { description: '', disabled: false, durationDays: -1, permissions };
      const { robotId } = await createRobot({ record, allocateId, hashPassword })(
        {
          name,
          secret,
          ...settings,
          project: more.project ?? null,
          creatorType: 'local',
          creatorRef: 1,
        },
        metadata,
      );
      await isKnown(`${robotPrefix}${name}:${secret}`);
      return { name, robotId, settings, as: `${robotPrefix}${name}:${secret}` };
    },
  };
}
