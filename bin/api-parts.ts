import { randomUUID } from 'node:crypto';
import { addMember } from '../commands/add-member.ts';
import { addProjectMetadata } from '../commands/add-project-metadata.ts';
import { type AllocateId, idAllocator } from '../commands/allocate-id.ts';
import { changeAdministrator } from '../commands/change-administrator.ts';
import { changeMember } from '../commands/change-member.ts';
import { changePassword } from '../commands/change-password.ts';
import { changeProfile } from '../commands/change-profile.ts';
import { changeProject } from '../commands/change-project.ts';
import { changeRobot } from '../commands/change-robot.ts';
import { changeRobotSecret } from '../commands/change-robot-secret.ts';
import { projectClearer } from '../commands/clear-project.ts';
import type { Contents } from '../commands/contents.ts';
import { createProject } from '../commands/create-project.ts';
import { createRobot } from '../commands/create-robot.ts';
import { createUser } from '../commands/create-user.ts';
import { deleteProject } from '../commands/delete-project.ts';
import { deleteRobot } from '../commands/delete-robot.ts';
import { deleteUser } from '../commands/delete-user.ts';
import { emailKeyOf } from '../commands/email.ts';
import { endPreviousSecret } from '../commands/end-previous-secret.ts';
import type { QuotaKeeper } from '../commands/keep-quotas.ts';
import type { Recorder } from '../commands/record.ts';
import { removeMember } from '../commands/remove-member.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { AuditForwardingPorts } from '../gateway/api/audit-forwarding.ts';
import type { AuditPorts } from '../gateway/api/audit-logs.ts';
import type { ConfigurationPorts } from '../gateway/api/configurations.ts';
import type { ApiParts } from '../gateway/api/ports.ts';
import type { RefusedChangesPorts } from '../gateway/api/refused-changes.ts';
import type { SystemPorts } from '../gateway/api/system.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { hashPassword, passwordMatches } from '../infra/password-hash/argon2.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { Views } from '../infra/views/port.ts';
import type { WebhookSender } from '../infra/webhook-sender/port.ts';
import { annotations } from '../projections/annotations/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { holdsManifests } from '../projections/artifacts/queries.ts';
import { systemCveAllowlist } from '../projections/cve-allowlist/projection.ts';
import { type MembersDatabase, members } from '../projections/members/projection.ts';
import {
  countRoles,
  findMember,
  findMembership,
  listMembers,
  membershipsOf,
} from '../projections/members/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject, findProjectById, listProjects } from '../projections/projects/queries.ts';
import { quotas } from '../projections/quotas/projection.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { countRepositories } from '../projections/repositories/queries.ts';
import { type RobotsDatabase, robots } from '../projections/robots/projection.ts';
import { findRobotById, listRobots } from '../projections/robots/queries.ts';
import { userGroups } from '../projections/user-groups/projection.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import {
  findLoginUser,
  findUser,
  findUserByName,
  firstAdministrator,
  listUsers,
  searchUsers,
  userIdsOf,
} from '../projections/users/queries.ts';
import { additionParts } from './addition-parts.ts';
import { credentialParts } from './credential-parts.ts';
import { cveAllowlistParts } from './cve-allowlist-parts.ts';
import { immutabilityParts } from './immutability-parts.ts';
import { jobParts } from './job-parts.ts';
import type { Jobs } from './jobs.ts';
import { labelParts } from './label-parts.ts';
import { quotaApiParts } from './quota-parts.ts';
import { repositoryParts } from './repository-parts.ts';
import { deletingWithRetention, retentionParts } from './retention-parts.ts';
import { searchParts } from './search-parts.ts';
import { statisticsParts } from './statistics-parts.ts';
import { storageParts } from './storage-parts.ts';
import { systemJobParts } from './system-job-parts.ts';
import { typeableSecret } from './typeable-secret.ts';
import { userGroupParts } from './user-group-parts.ts';
import { version } from './version.ts';
import { webhookLedgerParts } from './webhook-ledger-parts.ts';
import { webhookParts } from './webhook-parts.ts';

export interface ApiEngines {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly secrets: SecretBox;
  readonly store: BlobStore;
  readonly personalData: PersonalData;
  readonly database: Pick<Database, 'kysely' | 'pool' | 'listen'>;
  readonly views: Views;
  readonly jobs: Pick<Jobs, 'queue' | 'journal' | 'allocateIds'>;
  readonly sender: WebhookSender;
}

/** Lets no answer through that the views gave while they were behind what they had shown. */
export type Current = <Args extends unknown[], Result>(
  query: (...args: Args) => Promise<Result>,
) => (...args: Args) => Promise<Result>;

/** What the management API asks for. */
export function apiParts(
  { log, record, secrets, store, personalData, database, views, jobs, sender }: ApiEngines,
  contents: Contents,
  current: Current,
  system: SystemPorts &
    ConfigurationPorts &
    AuditPorts &
    AuditForwardingPorts &
    RefusedChangesPorts &
    Pick<ApiParts, 'events' | 'erasures'>,
  keeper: Pick<QuotaKeeper, 'mountBlob' | 'pushManifest'>,
): ApiParts {
  const { kysely } = database;
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inMembers = viewOf<MembersDatabase>(kysely, members);
  const inProjects = viewOf<ProjectsDatabase>(kysely, projects);
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inRobots = viewOf<RobotsDatabase>(kysely, robots);
  const inUsers = viewOf<UsersDatabase>(kysely, users);

  const allocateId: AllocateId = idAllocator({ log, catalogue, newEventId });
  const { allocateIds } = jobs;
  const holdsRepositories = current(holdsManifests.bind(undefined, inArtifacts));
  const ports = {
    log,
    record,
    allocateId,
    personalData,
    secrets,
    hashPassword,
    ...projectClearer({ log, record, store, contents, newCondemnation: randomUUID }),
    holdsRepositories,
  };

  return {
    ...cveAllowlistParts(record, kysely, current),
    systemJobs: systemJobParts({ record, allocateId, database, views, ...jobs }, current),
    jobs: jobParts({ record, jobs }, { kysely, views, current }),
    labels: labelParts(ports, { kysely, views, current }),
    immutability: immutabilityParts(ports, { kysely, views, current }),
    webhooks: {
      ...webhookParts({ ...ports, sender }, { database, views, current }),
      ...webhookLedgerParts(
        { log, record, ...jobs, host: new URL(String(system.deployment.ext_endpoint)).host },
        { database, views, current },
      ),
    },
    retentions: retentionParts(
      { ...ports, allocateIds, newJobId: randomUUID, journal: jobs.journal },
      { database, views, current },
    ),
    quotas: quotaApiParts({ log, record, views }, kysely, current),
    storage: storageParts({ log, views }, kysely, current),
    additions: additionParts(store, kysely, current),
    ...repositoryParts({ record, store, contents, keeper }, { kysely, current }),
    ...searchParts(kysely, current),
    ...userGroupParts(ports, kysely, current),
    ...statisticsParts({ log, views }, kysely, current),
    ...system,
    queries: {
      findLoginUser: current(findLoginUser.bind(undefined, inUsers)),
      findUser: current(findUser.bind(undefined, inUsers)),
      findUserByName: current(findUserByName.bind(undefined, inUsers)),
      firstAdministrator: current(firstAdministrator.bind(undefined, inUsers)),
      listUsers: current(listUsers.bind(undefined, inUsers)),
      searchUsers: current(searchUsers.bind(undefined, inUsers)),
      userIdsOf: current(userIdsOf.bind(undefined, inUsers)),
      findProject: current(findProject.bind(undefined, inProjects)),
      findProjectById: current(findProjectById.bind(undefined, inProjects)),
      listProjects: current(listProjects.bind(undefined, inProjects)),
      countRepositories: current(countRepositories.bind(undefined, inRepositories)),
      holdsManifests: holdsRepositories,
      membershipsOf: current(membershipsOf.bind(undefined, inMembers)),
      listMembers: current(listMembers.bind(undefined, inMembers)),
      countRoles: current(countRoles.bind(undefined, inMembers)),
      findMember: current(findMember.bind(undefined, inMembers)),
      findMembership: current(findMembership.bind(undefined, inMembers)),
      listRobots: current(listRobots.bind(undefined, inRobots)),
      findRobotById: current(findRobotById.bind(undefined, inRobots)),
    },
    commands: {
      createUser: createUser(ports),
      changeProfile: changeProfile(ports),
      changePassword: changePassword(ports),
      changeAdministrator: changeAdministrator(ports),
      deleteUser: deleteUser(ports),
      createProject: createProject(ports),
      changeProject: changeProject(ports),
      addProjectMetadata: addProjectMetadata(ports),
      deleteProject: deletingWithRetention(deleteProject(ports), record, { kysely, current }),
      addMember: addMember(ports),
      changeMember: changeMember(ports),
      removeMember: removeMember(ports),
      createRobot: createRobot(ports),
      changeRobot: changeRobot(ports),
      changeRobotSecret: changeRobotSecret(ports),
      endPreviousSecret: endPreviousSecret(ports),
      deleteRobot: deleteRobot(ports),
    },
    ...credentialParts({ record, secrets, personalData, kysely, views }, allocateId, current),
    personalData,
    emailKeyOf: (email) => emailKeyOf(secrets, email),
    passwordMatches,
    newSecret,
    version,
    reached: (position) =>
      views.reached(position, [
        annotations,
        members,
        projects,
        quotas,
        repositories,
        robots,
        systemCveAllowlist,
        userGroups,
        users,
      ]),
  };
}

/** With a letter of each case and a digit, as the rule for secrets asks. */
const newSecret = (): string => `${typeableSecret(24)}aA1`;
