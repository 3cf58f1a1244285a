SELECT 'from a file' AS sourced;
INSERT INTO t (a) VALUES ('from a file');
