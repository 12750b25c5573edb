import type { Permission } from './permission.ts';

/** Who is asking. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user';
      readonly username: string;
      readonly userId: number;
      readonly administrator: boolean;
      /** The numbers of the groups that he is in; of users whose password is kept here there are none. */
      readonly groupIds?: readonly number[];
      /** The number of the access token that speaks for him; absent for who has shown the password himself. */
      readonly accessToken?: number;
    }
  | {
      /** An access token that may only some of what its user may. One that may everything speaks as the user. */
      readonly kind: 'access-token';
      readonly tokenId: number;
      readonly username: string;
      readonly userId: number;
      /** Those of its user. */
      readonly groupIds?: readonly number[];
      /** What its user is; what the token may is `permissions` at the most. */
      readonly administrator: boolean;
      readonly permissions: readonly TokenPermission[];
    }
  | {
      readonly kind: 'robot';
      /** As it is stored: `<robot>` at the system level, `<project>+<robot>` at the project level. */
      readonly name: string;
      readonly robotId: number;
      readonly permissions: readonly RobotPermission[];
    };

/** What a robot account was given: exactly this, and nothing by a role. */
export interface RobotPermission {
  /** `system`, or a project's name, or `*` for every project, now and later. */
  readonly scope: { readonly kind: 'system' } | { readonly kind: 'project'; readonly project: string };
  readonly access: readonly Permission[];
}

/** What an access token is limited to. A project is told from its successors of the same name by its number. */
export interface TokenPermission {
  readonly scope:
    | { readonly kind: 'system' }
    /** Every project that the user may see, now and later. */
    | { readonly kind: 'projects' }
    | { readonly kind: 'project'; readonly project: string; readonly projectId: number };
  readonly access: readonly Permission[];
}

/** Whether a robot of this stored name belongs to a project; no robot's own name has a plus sign. */
export const isOfProject = (robot: string): boolean => robot.includes('+');

/** The user who asks, by himself or by an access token; undefined for everybody else. */
export const userOf = (principal: Principal) =>
  principal.kind === 'user' || principal.kind === 'access-token' ? principal : undefined;

/** The numbers of the groups whose roles the principal has. */
export const groupIdsOf = (principal: Principal): readonly number[] => userOf(principal)?.groupIds ?? [];

/** The number of the access token that asks, whatever it may. */
export function accessTokenOf(principal: Principal): number | undefined {
  switch (principal.kind) {
    case 'user':
      return principal.accessToken;
    case 'access-token':
      return principal.tokenId;
    default:
      return undefined;
  }
}

/** How events name the principal. */
export function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'user':
    case 'access-token':
      return `user:${principal.username}`;
    case 'robot':
      return `robot:${principal.name}`;
  }
}

/** Harbor's name for who does what policies say: nobody who asks, but who is told of as one. */
export const jobService = 'harbor-jobservice';
