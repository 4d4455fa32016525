# Uploads a file to a vault.
#
# usage: ruby upload.rb VAULT FILE [JOURNAL]
#
# The program uses Fiddle, which is a part of Ruby. Keys and region come from the environment.
require "fiddle"
require "fiddle/import"

module Glacier
  extend Fiddle::Importer
  dlload "libglacier_mp.so.0"

  extern "void *glacier_config_new()"
  extern "void glacier_config_free(void *)"
  extern "int glacier_client_new(void *, void *, void *)"
  extern "void glacier_client_free(void *)"
  extern "int glacier_upload_new(void *, const char *, void *, void *)"
  extern "int glacier_upload_set_source_file(void *, const char *, void *)"
  extern "int glacier_upload_set_journal(void *, const char *, void *)"
  extern "int glacier_upload_set_progress(void *, void *, void *, void *, void *)"
  extern "int glacier_upload_run(void *, void *)"
  extern "char *glacier_upload_archive_id(void *)"
  extern "void glacier_upload_free(void *)"
  extern "int glacier_error_code(void *)"
  extern "char *glacier_error_message(void *)"
  extern "void glacier_error_free(void *)"
  extern "char *glacier_result_name(int)"

  STOP = 0
  CONTINUE = 1
  UNKNOWN = 2**64 - 1
  # glacier_progress_t: 12 fields of 64 bits.
  Progress = Struct.new(:struct_size, :bytes_total, :bytes_done, :bytes_resumed, :bytes_hashed, :bytes_sent,
                        :parts_total, :parts_done, :parts_in_flight, :retries, :workers, :elapsed_ms) do
    def self.read(address) = new(*Fiddle::Pointer.new(address)[0, 12 * 8].unpack("Q12"))
  end

  class Error < StandardError
    attr_reader :code

    def initialize(error)
      @code = Glacier.glacier_result_name(Glacier.glacier_error_code(error)).to_s
      super(Glacier.glacier_error_message(error).to_s.force_encoding("UTF-8"))
      Glacier.glacier_error_free(error)
    end
  end

  # Calls a function whose last parameter is the error. Raises its error.
  def self.call(function, *arguments)
    error = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
    raise Error.new(error.ptr) unless send(function, *arguments, error).zero?
  end

  # As `call`, for a function that returns a handle in the parameter before the error.
  def self.create(function, *arguments)
    out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
    call(function, *arguments, out)
    out.ptr
  end
end

# `warn` ignores that standard error cannot be written.
def show(progress)
  total = " of #{progress.bytes_total}" unless progress.bytes_total == Glacier::UNKNOWN
  warn "#{progress.bytes_done + progress.bytes_resumed}#{total} bytes"
end

def upload(vault, file, journal = nil)
  failure = nil
  # The default handler raises Interrupt where Fiddle calls the block, so that no rescue in the block is reached.
  trap("INT") { failure = Interrupt.new("stopped by Ctrl-C") }
  config = Glacier.glacier_config_new
  client = Glacier.create(:glacier_client_new, config)
  upload = Glacier.create(:glacier_upload_new, client, vault)
  Glacier.call(:glacier_upload_set_source_file, upload, file)
  Glacier.call(:glacier_upload_set_journal, upload, journal) if journal
  # The variable keeps the closure alive until the upload is freed. An exception must not leave the block.
  on_progress = Fiddle::Closure::BlockCaller.new(Fiddle::TYPE_INT, [Fiddle::TYPE_VOIDP, Fiddle::TYPE_VOIDP]) do |_, address|
    show(Glacier::Progress.read(address))
    failure ? Glacier::STOP : Glacier::CONTINUE
  rescue Exception => error
    failure = error
    Glacier::STOP
  end
  Glacier.call(:glacier_upload_set_progress, upload, on_progress, nil, nil)
  begin
    Glacier.call(:glacier_upload_run, upload)
  ensure
    raise failure if failure
  end
  Glacier.glacier_upload_archive_id(upload).to_s
ensure
  # These functions accept NULL.
  Glacier.glacier_upload_free(upload)
  Glacier.glacier_client_free(client)
  Glacier.glacier_config_free(config)
end

unless ARGV.length.between?(2, 3)
  warn "usage: ruby upload.rb VAULT FILE [JOURNAL]"
  exit 2
end
begin
  puts upload(*ARGV)
rescue Glacier::Error => error
  abort "#{error.code}: #{error.message}"
end
