CREATE TABLE `cp_rows` (
	`cp` integer PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	`root_hash` text NOT NULL,
	`cause` text NOT NULL,
	`send_ms` real NOT NULL,
	`build_ms` real NOT NULL,
	`commit_ms` real NOT NULL,
	`blocks_written` integer NOT NULL,
	`bytes_written` integer NOT NULL,
	`coalesced` integer NOT NULL,
	`committed_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `transfer_rows` (
	`id` integer PRIMARY KEY NOT NULL,
	`mirror` text NOT NULL,
	`kind` text NOT NULL,
	`cp` integer NOT NULL,
	`blocks` integer NOT NULL,
	`bytes` integer NOT NULL,
	`ms` real NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `transfer_rows_cp` ON `transfer_rows` (`cp`);--> statement-breakpoint
CREATE VIEW `cps` AS select "cp", "epoch", "root_hash", "cause", "send_ms", "build_ms", "commit_ms", "blocks_written", "bytes_written", "coalesced", (select coalesce(sum("bytes"), 0) from "transfer_rows" where "transfer_rows"."cp" = "cp_rows"."cp") as "bytes_sent", strftime('%Y-%m-%dT%H:%M:%fZ', "committed_ms" / 1000.0, 'unixepoch') as "committed_at", "committed_ms" from "cp_rows";--> statement-breakpoint
CREATE VIEW `transfers` AS select "mirror", "kind", "cp", "blocks", "bytes", "ms", strftime('%Y-%m-%dT%H:%M:%fZ', "at_ms" / 1000.0, 'unixepoch') as "at", "at_ms" from "transfer_rows";