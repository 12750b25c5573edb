import type { FastifyRequest } from 'fastify';
import type { addMember } from '../../commands/add-member.ts';
import type { addProjectMetadata } from '../../commands/add-project-metadata.ts';
import type { changeAdministrator } from '../../commands/change-administrator.ts';
import type { changeMember } from '../../commands/change-member.ts';
import type { changePassword } from '../../commands/change-password.ts';
import type { changeProfile } from '../../commands/change-profile.ts';
import type { changeProject } from '../../commands/change-project.ts';
import type { changeRobot } from '../../commands/change-robot.ts';
import type { changeRobotSecret } from '../../commands/change-robot-secret.ts';
import type { createProject } from '../../commands/create-project.ts';
import type { createRobot } from '../../commands/create-robot.ts';
import type { createUser } from '../../commands/create-user.ts';
import type { deleteProject } from '../../commands/delete-project.ts';
import type { deleteRobot } from '../../commands/delete-robot.ts';
import type { deleteUser } from '../../commands/delete-user.ts';
import type { endPreviousSecret } from '../../commands/end-previous-secret.ts';
import type { removeMember } from '../../commands/remove-member.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { PersonalData } from '../../infra/personal-data/port.ts';
import type { holdsManifests } from '../../projections/artifacts/queries.ts';
import type { lastUsesOf } from '../../projections/credential-uses/queries.ts';
import type {
  countRoles,
  findMember,
  findMembership,
  listMembers,
  membershipsOf,
} from '../../projections/members/queries.ts';
import type { findProject, findProjectById, listProjects } from '../../projections/projects/queries.ts';
import type { countRepositories } from '../../projections/repositories/queries.ts';
import type { findRobotById, listRobots } from '../../projections/robots/queries.ts';
import type {
  findLoginUser,
  findUser,
  findUserByName,
  firstAdministrator,
  listUsers,
  searchUsers,
  userIdsOf,
} from '../../projections/users/queries.ts';
import type { EventPorts } from '../events/event-routes.ts';
import type { AccessTokenPorts } from './access-tokens.ts';
import type { AdditionPorts } from './additions/additions.ts';
import type { AuditForwardingPorts } from './audit-forwarding.ts';
import type { AuditPorts } from './audit-logs.ts';
import type { ConfigurationPorts } from './configurations.ts';
import type { CveAllowlistPorts } from './cve-allowlist.ts';
import type { GarbageWhatIfPorts } from './garbage-what-if.ts';
import type { ImmutabilityPorts } from './immutability.ts';
import type { JobPorts } from './job-ports.ts';
import type { LabelPorts } from './labels.ts';
import type { PreferencesPorts } from './preferences.ts';
import type { QuotaPorts } from './quotas.ts';
import type { RefusedChangesPorts } from './refused-changes.ts';
import type { RepositoryPorts } from './repository-ports.ts';
import type { RetentionWhatIfPorts } from './retention-what-if.ts';
import type { RetentionPorts } from './retentions.ts';
import type { SearchPorts } from './search.ts';
import type { SessionPorts } from './sessions.ts';
import type { StatisticsPorts } from './statistics.ts';
import type { StoragePorts } from './storage.ts';
import type { SystemPorts } from './system.ts';
import type { ErasurePorts } from './user-erasures.ts';
import type { UserGroupPorts } from './user-groups.ts';
import type { WebhookLedgerPorts } from './webhook-ledger.ts';
import type { WebhookSecretPorts } from './webhook-secrets.ts';
import type { WebhookPorts } from './webhooks.ts';

/** A query without the database that it asks. */
export type Query<Asked> = Asked extends (db: never, ...args: infer Args) => infer Result
  ? (...args: Args) => Result
  : never;

/** A command without the ports that it was made with. */
export type Command<Made> = Made extends (ports: never) => infer Run ? Run : never;

export interface ApiQueries {
  readonly findLoginUser: Query<typeof findLoginUser>;
  readonly findUser: Query<typeof findUser>;
  readonly findUserByName: Query<typeof findUserByName>;
  readonly firstAdministrator: Query<typeof firstAdministrator>;
  readonly listUsers: Query<typeof listUsers>;
  readonly searchUsers: Query<typeof searchUsers>;
  readonly userIdsOf: Query<typeof userIdsOf>;
  readonly findProject: Query<typeof findProject>;
  readonly findProjectById: Query<typeof findProjectById>;
  readonly listProjects: Query<typeof listProjects>;
  readonly countRepositories: Query<typeof countRepositories>;
  readonly holdsManifests: Query<typeof holdsManifests>;
  readonly membershipsOf: Query<typeof membershipsOf>;
  readonly listMembers: Query<typeof listMembers>;
  readonly countRoles: Query<typeof countRoles>;
  readonly findMember: Query<typeof findMember>;
  readonly findMembership: Query<typeof findMembership>;
  readonly listRobots: Query<typeof listRobots>;
  readonly findRobotById: Query<typeof findRobotById>;
}

export interface ApiCommands {
  readonly createUser: Command<typeof createUser>;
  readonly changeProfile: Command<typeof changeProfile>;
  readonly changePassword: Command<typeof changePassword>;
  readonly changeAdministrator: Command<typeof changeAdministrator>;
  readonly deleteUser: Command<typeof deleteUser>;
  readonly createProject: Command<typeof createProject>;
  readonly changeProject: Command<typeof changeProject>;
  readonly addProjectMetadata: Command<typeof addProjectMetadata>;
  readonly deleteProject: Command<typeof deleteProject>;
  readonly addMember: Command<typeof addMember>;
  readonly changeMember: Command<typeof changeMember>;
  readonly removeMember: Command<typeof removeMember>;
  readonly createRobot: Command<typeof createRobot>;
  readonly changeRobot: Command<typeof changeRobot>;
  readonly changeRobotSecret: Command<typeof changeRobotSecret>;
  readonly endPreviousSecret: Command<typeof endPreviousSecret>;
  readonly deleteRobot: Command<typeof deleteRobot>;
}

/** What the management API is wired with. */
export interface ApiParts
  extends RepositoryPorts,
    CveAllowlistPorts,
    UserGroupPorts,
    AuditPorts,
    AuditForwardingPorts,
    RefusedChangesPorts,
    SearchPorts,
    ConfigurationPorts,
    SystemPorts,
    StatisticsPorts {
  readonly jobs: JobPorts;
  readonly labels: LabelPorts;
  readonly systemJobs: GarbageWhatIfPorts;
  readonly immutability: ImmutabilityPorts;
  readonly webhooks: WebhookPorts & WebhookLedgerPorts & WebhookSecretPorts;
  readonly retentions: RetentionPorts & RetentionWhatIfPorts;
  readonly quotas: QuotaPorts;
  readonly storage: StoragePorts;
  readonly events: EventPorts;
  readonly additions: AdditionPorts;
  readonly queries: ApiQueries;
  readonly commands: ApiCommands;
  readonly accessTokens: AccessTokenPorts;
  readonly preferences: PreferencesPorts;
  readonly erasures: ErasurePorts;
  readonly lastUsesOf: Query<typeof lastUsesOf>;
  readonly personalData: Pick<PersonalData, 'open'>;
  /** The keyed hash by which an e-mail address is found. */
  emailKeyOf(email: string): string;
  passwordMatches(passwordHash: string, password: string): Promise<boolean>;
  /** A secret that nobody can guess, for a robot. */
  newSecret(): string;
  /** The version of this program. */
  readonly version: string;
  /** Resolves when everything that the API lists shows the position. */
  reached(position: bigint): Promise<void>;
}

/** What every route of the API works with. */
export interface ApiPorts extends ApiParts, SessionPorts {
  /** Who sends the request; who shows wrong credentials is anybody. */
  identify(request: FastifyRequest): Promise<Principal>;
  /** Who that is by now; the request was counted already. */
  identifyAgain(request: FastifyRequest): Promise<Principal>;
  /** The roles that the principal has in the project of this number. */
  rolesOf(principal: Principal, projectId: number): Promise<readonly Role[]>;
  currentTraceparent(): string | undefined;
}
