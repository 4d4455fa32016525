# Uploads a file to a vault.
#
# usage: perl upload.pl VAULT FILE [JOURNAL]
#
# The program uses FFI::Platypus. Keys and region come from the environment.
use strict;
use warnings;

package Progress {    # glacier_progress_t
    use FFI::Platypus::Record;
    record_layout_1(map { (uint64 => $_) } qw(
        struct_size bytes_total bytes_done bytes_resumed bytes_hashed bytes_sent
        parts_total parts_done parts_in_flight retries workers elapsed_ms
    ));
}

package main;
use FFI::Platypus 1.00;

use constant { OK => 0, STOP => 0, CONTINUE => 1, UNKNOWN => ~0 };

my $ffi = FFI::Platypus->new(api => 1, lib => 'libglacier_mp.so.0');
$ffi->type('record(Progress)*' => 'progress');
$ffi->type('(opaque, opaque)->sint32' => 'progress_fn');
$ffi->attach(glacier_config_new => [] => 'opaque');
$ffi->attach(glacier_config_free => ['opaque'] => 'void');
$ffi->attach(glacier_client_new => ['opaque', 'opaque*', 'opaque*'] => 'sint32');
$ffi->attach(glacier_client_free => ['opaque'] => 'void');
$ffi->attach(glacier_upload_new => ['opaque', 'string', 'opaque*', 'opaque*'] => 'sint32');
$ffi->attach(glacier_upload_set_source_file => ['opaque', 'string', 'opaque*'] => 'sint32');
$ffi->attach(glacier_upload_set_journal => ['opaque', 'string', 'opaque*'] => 'sint32');
$ffi->attach(glacier_upload_set_progress => ['opaque', 'progress_fn', 'opaque', 'opaque', 'opaque*'] => 'sint32');
$ffi->attach(glacier_upload_run => ['opaque', 'opaque*'] => 'sint32');
$ffi->attach(glacier_upload_archive_id => ['opaque'] => 'string');
$ffi->attach(glacier_upload_free => ['opaque'] => 'void');
$ffi->attach(glacier_error_message => ['opaque'] => 'string');
$ffi->attach(glacier_error_free => ['opaque'] => 'void');
$ffi->attach(glacier_result_name => ['sint32'] => 'string');

# Calls a function whose last parameter is the error. Dies with its error.
sub check {
    my ($function, @arguments) = @_;
    my $err;
    my $result = $function->(@arguments, \$err);
    return if $result == OK;
    my $failure = {
        code    => glacier_result_name($result),
        message => glacier_error_message($err),
    };
    glacier_error_free($err);
    die $failure;
}

sub show {
    my ($progress) = @_;
    my $total = $progress->bytes_total == UNKNOWN ? '' : ' of ' . $progress->bytes_total;
    print STDERR $progress->bytes_done + $progress->bytes_resumed, "$total bytes\n";
}

sub upload {
    my ($vault, $file, $journal) = @_;
    my ($config, $client, $upload) = (glacier_config_new());
    # The variable keeps the closure alive until the upload is freed. An exception must not leave the closure.
    my $raised;
    my $on_progress = $ffi->closure(sub {
        my ($user_data, $address) = @_;
        return CONTINUE if eval { show($ffi->cast('opaque' => 'progress', $address)); 1 };
        $raised = $@;
        return STOP;
    });
    my $archive = eval {
        check(\&glacier_client_new, $config, \$client);
        check(\&glacier_upload_new, $client, $vault, \$upload);
        check(\&glacier_upload_set_source_file, $upload, $file);
        check(\&glacier_upload_set_journal, $upload, $journal) if defined $journal;
        check(\&glacier_upload_set_progress, $upload, $on_progress, undef, undef);
        check(\&glacier_upload_run, $upload);
        glacier_upload_archive_id($upload);
    };
    my $failure = $raised || $@;
    # These functions accept NULL.
    glacier_upload_free($upload);
    glacier_client_free($client);
    glacier_config_free($config);
    die $failure if $failure;
    return $archive;
}

if (@ARGV < 2 || @ARGV > 3) {
    print STDERR "usage: perl upload.pl VAULT FILE [JOURNAL]\n";
    exit 2;
}
my $archive = eval { upload(@ARGV) };
if (my $failure = $@) {
    die $failure unless ref $failure;
    print STDERR "$failure->{code}: $failure->{message}\n";
    exit 1;
}
print "$archive\n";
