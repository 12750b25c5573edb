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

/** Whether a robot of this stored name belongs to a project; no robot's own name has a plus sign. */
export const isOfProject = (robot: string): boolean => robot.includes('+');

/** The numbers of the groups whose roles the principal has. */
export const groupIdsOf = (principal: Principal): readonly number[] =>
  principal.kind === 'user' ? (principal.groupIds ?? []) : [];

/** How events name the principal. */
export function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'user':
      return `user:${principal.username}`;
    case 'robot':
      return `robot:${principal.name}`;
  }
}
