CREATE TABLE `catalog_state` (
	`id` integer PRIMARY KEY NOT NULL,
	`cp` integer,
	`root_hash` text,
	`changes_after` integer
);
--> statement-breakpoint
CREATE TABLE `change_rows` (
	`id` integer PRIMARY KEY NOT NULL,
	`cp` integer NOT NULL,
	`after_cp` integer NOT NULL,
	`change` text NOT NULL,
	`kind` text NOT NULL,
	`path` text NOT NULL,
	`from_path` text,
	`size_before` integer,
	`size_after` integer,
	`committed_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `change_rows_cp` ON `change_rows` (`cp`);--> statement-breakpoint
CREATE TABLE `directory_rows` (
	`id` integer PRIMARY KEY NOT NULL,
	`parent` integer NOT NULL,
	`name` text NOT NULL,
	`path` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `directory_rows_parent` ON `directory_rows` (`parent`);--> statement-breakpoint
CREATE INDEX `directory_rows_path` ON `directory_rows` (`path`);--> statement-breakpoint
CREATE TABLE `file_rows` (
	`directory` integer NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL,
	`size` integer NOT NULL,
	`mode` integer NOT NULL,
	`created_ms` integer NOT NULL,
	`created_nanos` integer NOT NULL,
	`modified_ms` integer NOT NULL,
	`modified_nanos` integer NOT NULL,
	`type` text,
	`meta` text,
	`target` text,
	`etag` text NOT NULL,
	`cp` integer,
	PRIMARY KEY(`directory`, `name`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `mirror_rows` (
	`id` text PRIMARY KEY NOT NULL,
	`url` text,
	`state` text NOT NULL,
	`cp` integer,
	`lag_cps` integer,
	`lag_ms` real,
	`held_bytes` integer,
	`needs` text,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `cp_rows` ADD `opening` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `cp_rows` ADD `sequence` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE VIEW `catalog` AS select "cp", "root_hash", "cp" is null as "is_filling", "changes_after" from "catalog_state";--> statement-breakpoint
CREATE VIEW `changes` AS select "id", "cp", "after_cp", "change", "kind", "path", "from_path", "size_before", "size_after", strftime('%Y-%m-%dT%H:%M:%fZ', "committed_ms" / 1000.0, 'unixepoch') as "committed_at", "committed_ms" from "change_rows";--> statement-breakpoint
CREATE VIEW `directories` AS select "id", nullif("parent", 0) as "parent", "name", "path" from "directory_rows";--> statement-breakpoint
CREATE VIEW `files` AS select "file_rows"."directory", "file_rows"."name", case "directory_rows"."path" when '' then "file_rows"."name" else "directory_rows"."path" || '/' || "file_rows"."name" end as "path", "file_rows"."kind", "file_rows"."size", "file_rows"."mode", strftime('%Y-%m-%dT%H:%M:%fZ', "file_rows"."created_ms" / 1000.0, 'unixepoch') as "created_at", "file_rows"."created_ms", "file_rows"."created_nanos", strftime('%Y-%m-%dT%H:%M:%fZ', "file_rows"."modified_ms" / 1000.0, 'unixepoch') as "modified_at", "file_rows"."modified_ms", "file_rows"."modified_nanos", "file_rows"."type", "file_rows"."meta", "file_rows"."target", "file_rows"."etag", "file_rows"."cp" from "file_rows" inner join "directory_rows" on "directory_rows"."id" = "file_rows"."directory";--> statement-breakpoint
CREATE VIEW `mirrors` AS select "id", "url", "state", "cp", "lag_cps", "lag_ms", "held_bytes", "needs", strftime('%Y-%m-%dT%H:%M:%fZ', "at_ms" / 1000.0, 'unixepoch') as "at", "at_ms" from "mirror_rows";