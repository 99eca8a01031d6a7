# 29 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	cmpb   $0x3,(%rax)
	jb     <kymo_call_ints+0x33>
	js     <kymo_call_ints+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::call::log3::fast>
	mov    ...(%rip),%rcx
	cmp    0x8(%rax),%rcx
	je     <kymo_call_ints+0xe>
	mov    0x8(%rax),%rax
	inc    %rax
	cmp    %rax,%rcx
	jne    <kymo_call_ints+0x34>
	ret
	lea    ...(%rip),%rax
	lea    -0x80(%rsp),%rsp
	call   <kymo::filter::gate_x86_64::decide_keeping_registers>
	lea    0x80(%rsp),%rsp
	je     <kymo_call_ints+0x33>
	jmp    <kymo_call_ints+0xe>

<kymo::call::log3::fast>:
	mov    $0xfffffffffffffa80,%rax
	mov    %fs:(%rax),%r8
	incq   (%r8)
	jne    <kymo::call::log3::fast+0x5c>
	mov    0x8(%r8),%r9
	lea    0x28(%r9),%r10
	mov    0x30(%r8),%rax
	cmp    %r10,%rax
	jae    <kymo::call::log3::fast+0x26>
	jmp    <kymo::call::log3::coarse>
	mov    %rdx,%r11
	rdtsc
	mov    %eax,0x8(%r9)
	mov    %edx,0xc(%r9)
	mov    %rcx,(%r9)
	movw   $0x28,0x6(%r9)
	mov    %rdi,0x10(%r9)
	mov    %rsi,0x18(%r9)
	mov    %r11,0x20(%r9)
	mov    0x10(%r8),%rax
	mov    %r10,(%rax)
	mov    %r10,0x8(%r8)
	movq   $0xffffffffffffffff,(%r8)
	ret
	jmp    <kymo::call::log3::slow>
