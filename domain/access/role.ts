/** Harbor's roles of a project's members, the mightiest first. */
export const roles = ['projectAdmin', 'maintainer', 'developer', 'guest', 'limitedGuest'] as const;
export type Role = (typeof roles)[number];
